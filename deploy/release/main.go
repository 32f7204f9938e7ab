// What is in the binary: reads `cargo metadata` from its standard input and writes it as CycloneDX 1.6 (`release sbom`), or as the
// licences of all of it with their texts (`release licences`). Crates that only build or test are left out.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

type metadata struct {
	Packages []crate `json:"packages"`
	Resolve  struct {
		Root  string `json:"root"`
		Nodes []node `json:"nodes"`
	} `json:"resolve"`
}

type crate struct {
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	Version      string  `json:"version"`
	License      *string `json:"license"`
	LicenseFile  *string `json:"license_file"`
	Source       *string `json:"source"`
	Repository   *string `json:"repository"`
	ManifestPath string  `json:"manifest_path"`
}

type node struct {
	ID   string `json:"id"`
	Deps []struct {
		Pkg      string `json:"pkg"`
		DepKinds []struct {
			Kind *string `json:"kind"`
		} `json:"dep_kinds"`
	} `json:"deps"`
}

func main() {
	var read metadata
	if len(os.Args) != 2 {
		fail("usage: cargo metadata --format-version 1 | release sbom|licences")
	}
	if err := json.NewDecoder(os.Stdin).Decode(&read); err != nil {
		fail(err.Error())
	}
	linked := linked(read)
	switch os.Args[1] {
	case "sbom":
		sbom(read, linked)
	case "licences":
		licences(linked)
	default:
		fail("sbom or licences")
	}
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, "release: "+what)
	os.Exit(1)
}

// The crates that the binary is linked of, by name and version: from the root along what is neither for building nor for tests.
func linked(read metadata) []crate {
	nodes := map[string]node{}
	for _, one := range read.Resolve.Nodes {
		nodes[one.ID] = one
	}
	reached := map[string]bool{}
	next := []string{read.Resolve.Root}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if reached[id] {
			continue
		}
		reached[id] = true
		for _, dependency := range nodes[id].Deps {
			for _, kind := range dependency.DepKinds {
				if kind.Kind == nil {
					next = append(next, dependency.Pkg)
				}
			}
		}
	}
	found := []crate{}
	for _, one := range read.Packages {
		if reached[one.ID] && one.Source != nil {
			found = append(found, one)
		}
	}
	sort.Slice(found, func(a, b int) bool {
		if found[a].Name != found[b].Name {
			return found[a].Name < found[b].Name
		}
		return found[a].Version < found[b].Version
	})
	return found
}

func licence(one crate) string {
	if one.License == nil {
		return ""
	}
	// Before SPDX, a slash was an OR.
	return strings.ReplaceAll(*one.License, "/", " OR ")
}

func sbom(read metadata, linked []crate) {
	type object = map[string]any
	purl := func(one crate) string { return fmt.Sprintf("pkg:cargo/%s@%s", one.Name, one.Version) }
	components := []object{}
	references := map[string]string{}
	for _, one := range linked {
		references[one.ID] = purl(one)
		component := object{
			"type": "library", "bom-ref": purl(one), "name": one.Name, "version": one.Version, "purl": purl(one),
		}
		if said := licence(one); said != "" {
			component["licenses"] = []object{{"expression": said}}
		}
		if one.Repository != nil {
			component["externalReferences"] = []object{{"type": "vcs", "url": *one.Repository}}
		}
		components = append(components, component)
	}
	var root crate
	for _, one := range read.Packages {
		if one.ID == read.Resolve.Root {
			root = one
		}
	}
	references[root.ID] = purl(root)
	dependencies := []object{}
	for _, one := range read.Resolve.Nodes {
		if references[one.ID] == "" {
			continue
		}
		on := []string{}
		for _, dependency := range one.Deps {
			if to := references[dependency.Pkg]; to != "" && !slices.Contains(on, to) {
				on = append(on, to)
			}
		}
		sort.Strings(on)
		dependencies = append(dependencies, object{"ref": references[one.ID], "dependsOn": on})
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	err := out.Encode(object{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata": object{"component": object{
			"type": "application", "bom-ref": purl(root), "name": root.Name, "version": root.Version,
			"purl": purl(root), "licenses": []object{{"expression": licence(root)}},
		}},
		"components": components, "dependencies": dependencies,
	})
	if err != nil {
		fail(err.Error())
	}
}

func licences(linked []crate) {
	texts := map[string][]string{}
	order := []string{}
	for _, one := range linked {
		fmt.Printf("%s %s: %s\n", one.Name, one.Version, licence(one))
		directory := filepath.Dir(one.ManifestPath)
		entries, err := os.ReadDir(directory)
		if err != nil {
			fail(err.Error())
		}
		for _, entry := range entries {
			name := strings.ToUpper(entry.Name())
			is := slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"}, func(head string) bool {
				return strings.HasPrefix(name, head)
			})
			if !is || entry.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
			if err != nil {
				fail(err.Error())
			}
			key := strings.TrimSpace(string(text))
			if texts[key] == nil {
				order = append(order, key)
			}
			texts[key] = append(texts[key], one.Name+" "+one.Version)
		}
	}
	for _, text := range order {
		fmt.Printf("\n%s\n%s\n\n%s\n", strings.Repeat("-", 78), strings.Join(texts[text], ", "), text)
	}
}
