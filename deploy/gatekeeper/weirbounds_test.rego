# Run by `make test`, over the policy as it stands in template.yaml.
package weirbounds

seen(object) = found {
  found := {v.msg | violation[v] with input as {"review": {"object": object}, "parameters": {"leastGraceSeconds": 35}}}
}

container := {
  "name": "weir",
  "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}},
  "securityContext": {
    "allowPrivilegeEscalation": false,
    "readOnlyRootFilesystem": true,
    "capabilities": {"drop": ["ALL"]},
  },
}

deployment(pod_more, container_more) = {
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "spec": {"template": {
    "metadata": {"labels": {"app.kubernetes.io/name": "weir"}},
    "spec": object.union({
      "automountServiceAccountToken": false,
      "terminationGracePeriodSeconds": 45,
      "securityContext": {"runAsNonRoot": true},
      "containers": [object.union(container, container_more)],
    }, pod_more),
  }},
}

test_a_worker_within_bounds_is_taken {
  seen(deployment({}, {})) == set()
}

test_others_are_left_alone {
  bare := {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
  seen(bare) == set()
}

test_a_worker_without_limits_is_refused {
  count(seen(deployment({}, {"resources": {"limits": {"memory": false}}}))) == 1
  bare := {"name": "weir", "securityContext": container.securityContext}
  count(seen(deployment({"containers": [bare]}, {}))) == 2
}

test_privilege_is_refused {
  seen(deployment({}, {"securityContext": {"privileged": true}})) == {"container weir: privileged"}
  count(seen(deployment({}, {"securityContext": {"allowPrivilegeEscalation": true}}))) == 1
  count(seen(deployment({}, {"securityContext": {"readOnlyRootFilesystem": false}}))) == 1
  count(seen(deployment({}, {"securityContext": {"capabilities": {"drop": []}}}))) == 1
  count(seen(deployment({}, {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}))) == 1
  count(seen(deployment({}, {"securityContext": {"runAsNonRoot": false}}))) == 1
  count(seen(deployment({"securityContext": {"runAsNonRoot": false}}, {}))) == 1
  count(seen(deployment({"hostNetwork": true}, {}))) == 1
  count(seen(deployment({"hostPID": true, "hostIPC": true}, {}))) == 2
  count(seen(deployment({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, {}))) == 1
  count(seen(deployment({"automountServiceAccountToken": true}, {}))) == 1
}

test_an_init_container_counts_too {
  count(seen(deployment({"initContainers": [{"name": "check"}]}, {}))) == 5
}

test_a_worker_without_time_to_drain_is_refused {
  seen(deployment({"terminationGracePeriodSeconds": 30}, {})) == {"less than 35 s to drain"}
}

test_a_knative_service_is_a_worker {
  template := {
    "metadata": {"labels": {"app.kubernetes.io/name": "weir"}},
    "spec": {
      "automountServiceAccountToken": false,
      "timeoutSeconds": 90,
      "containers": [object.union(container, {"securityContext": {"runAsNonRoot": true}})],
    },
  }
  service := {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": template}}
  seen(service) == set()
  short := object.union(service, {"spec": {"template": {"spec": {"timeoutSeconds": 20}}}})
  seen(short) == {"less than 35 s to drain"}
}

sender(kind, version, delivery) = {
  "apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": {"delivery": delivery},
}

test_the_cluster_s_senders_have_a_dead_letter_sink_and_sources_a_timeout {
  whole := {"timeout": "PT60S", "deadLetterSink": {"uri": "http://a"}}
  seen(sender("Trigger", "eventing.knative.dev/v1", whole)) == set()
  seen(sender("KafkaSource", "sources.knative.dev/v1beta1", whole)) == set()
  count(seen(sender("KafkaSource", "sources.knative.dev/v1beta1", {}))) == 2
  seen(sender("Trigger", "eventing.knative.dev/v1", {})) == {
    "Trigger a: nowhere for what fails (spec.delivery.deadLetterSink)",
  }
}

map(text) = {
  "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"weir.dev/documents": "true"}}, "data": {"a.yaml": text},
}

broker := "kind: Broker\nmetadata: {name: default}\nspec: {delivery: {deadLetterSink: {uri: 'http://a'}}}\n---\n"

function := "kind: Function\nmetadata: {name: f}\nspec: {module: f.wasm, serves: [s], timeout: 5s, memory: 64MiB}\n---\n"

trigger := "kind: Trigger\nmetadata: {name: t}\nspec: {broker: default, subscriber: {ref: {kind: Service, name: s}}}\n"

test_documents_within_bounds_are_taken {
  seen(map(concat("", ["---\n", broker, function, trigger]))) == set()
}

test_a_function_without_limits_is_refused {
  count(seen(map("kind: Function\nmetadata: {name: f}\nspec: {module: f.wasm}\n"))) == 2
}

test_a_trigger_without_a_dead_letter_sink_is_refused {
  count(seen(map(concat("", [function, trigger])))) == 1
}

test_who_is_called_over_http_needs_a_timeout {
  count(seen(map(concat("", [broker, trigger])))) == 1
  said := replace(trigger, "broker: default,", "broker: default, delivery: {timeout: PT5S},")
  seen(map(concat("", [broker, said]))) == set()
}

test_what_is_no_yaml_is_refused {
  seen(map("a: [")) == {"a.yaml: no YAML"}
}

test_other_config_maps_are_left_alone {
  seen({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a.yaml": "kind: Function"}}) == set()
}
