// Renders a kustomization as kubectl does, and reads what comes of it as the API server does where it is told to be strict:
// a field that a core type does not have is a mistake, where a cluster would drop it with a warning. Custom resources are
// left to whoever has their schemas.
package main

import (
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: render DIRECTORY")
		os.Exit(64)
	}
	if err := render(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func render(directory string) error {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, nodev1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(types); err != nil {
			return err
		}
	}
	options := json.SerializerOptions{Yaml: true, Strict: true}
	reader := json.NewSerializerWithOptions(json.DefaultMetaFactory, types, types, options)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return err
	}
	for _, resource := range rendered.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return err
		}
		gvk := resource.GetGvk()
		kind := schema.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
		if types.IsGroupRegistered(gvk.Group) {
			if _, _, err := reader.Decode(text, &kind, nil); err != nil {
				return fmt.Errorf("%s %s: %w", gvk.Kind, resource.GetName(), err)
			}
		}
		fmt.Printf("---\n%s", text)
	}
	return nil
}
