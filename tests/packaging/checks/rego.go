package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"sigs.k8s.io/yaml"
)

// Of a ConstraintTemplate, what is looked at here.
type template struct {
	Spec struct {
		Targets []struct {
			Target string `json:"target"`
			Rego   string `json:"rego"`
		} `json:"targets"`
	} `json:"spec"`
}

// The policy that stands in a template, read as Gatekeeper reads it: Rego of version 0, and no imports but those that it allows.
func policy(path string) (*ast.Module, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var read template
	if err := yaml.Unmarshal(text, &read); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	targets := read.Spec.Targets
	if len(targets) != 1 || targets[0].Target != "admission.k8s.gatekeeper.sh" {
		return nil, fmt.Errorf("%s: one target, of Gatekeeper's", path)
	}
	module, err := ast.ParseModuleWithOpts(path, targets[0].Rego, ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err != nil {
		return nil, err
	}
	if len(module.Imports) > 0 {
		return nil, fmt.Errorf("%s: Gatekeeper takes no imports: %v", path, module.Imports)
	}
	return module, nil
}

func test(path string, tests []string, out io.Writer) error {
	module, err := policy(path)
	if err != nil {
		return err
	}
	modules := map[string]*ast.Module{path: module}
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := ast.ParseModuleWithOpts(file, string(text), ast.ParserOptions{RegoVersion: ast.RegoV0})
		if err != nil {
			return err
		}
		modules[file] = parsed
	}
	runner := tester.NewRunner().SetStore(inmem.New()).SetModules(modules)
	results, err := runner.RunTests(context.Background(), nil)
	if err != nil {
		return err
	}
	var failed []string
	for result := range results {
		fmt.Fprint(out, result)
		if !result.Pass() {
			failed = append(failed, result.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// One list of objections for each of the objects.
func review(path string, in io.Reader, out io.Writer) error {
	module, err := policy(path)
	if err != nil {
		return err
	}
	var inputs []any
	if err := json.NewDecoder(in).Decode(&inputs); err != nil {
		return err
	}
	query, err := rego.New(
		rego.Query(module.Package.Path.String()+".violation[_].msg"),
		rego.ParsedModule(module),
		rego.SetRegoVersion(ast.RegoV0),
	).PrepareForEval(context.Background())
	if err != nil {
		return err
	}
	objections := make([][]any, len(inputs))
	for number, input := range inputs {
		results, err := query.Eval(context.Background(), rego.EvalInput(input))
		if err != nil {
			return err
		}
		objections[number] = []any{}
		for _, result := range results {
			objections[number] = append(objections[number], result.Expressions[0].Value)
		}
	}
	return json.NewEncoder(out).Encode(objections)
}
