// What the tests of deploy/ ask of other people's languages.
//
//	checks promql            expressions from stdin, a JSON array; the names and labels that each asks for
//	checks rego TEMPLATE TEST...   runs Rego's own tests against the policy that stands in a ConstraintTemplate
//	checks review TEMPLATE   objects from stdin, a JSON array, each as Gatekeeper shows it to the policy; what that has against it
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "checks: %v\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "promql":
		return promql(os.Stdin, os.Stdout)
	case len(arguments) >= 3 && arguments[0] == "rego":
		return test(arguments[1], arguments[2:], os.Stdout)
	case len(arguments) == 2 && arguments[0] == "review":
		return review(arguments[1], os.Stdin, os.Stdout)
	}
	return fmt.Errorf("usage: checks promql | rego TEMPLATE TEST... | review TEMPLATE")
}
