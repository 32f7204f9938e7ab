//go:build !wasip1

package weir

import (
	"fmt"
	"os"
)

var configured map[string]string

// Configure says in a test what Config finds from here on.
func Configure(config map[string]string) { configured = config }

func hostLog(level Level, text string) { fmt.Fprintf(os.Stderr, "%d: %s\n", level, text) }

func hostConfig(key string) (string, bool) {
	value, found := configured[key]
	return value, found
}
