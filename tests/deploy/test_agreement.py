"""What must be the same in several files is the same."""

import re

import pytest

yaml = pytest.importorskip("yaml")

SELECTOR = {"app.kubernetes.io/name": "frl-dgt"}
STATUS = "/v1/models/frl_dgt"


def mounts_of_compose(serving):
    return {m["target"]: m for m in serving["volumes"]}


def test_compose_and_cluster_start_the_server_alike(flags, pod_flags, serving, container):
    assert flags == pod_flags
    assert serving["entrypoint"] == container["command"] == ["tensorflow_model_server"]


def test_images_are_pinned_and_equal(compose, serving, container, manifests):
    writer = manifests["Pod", "model-writer"]["spec"]["containers"][0]
    images = {serving["image"], container["image"], writer["image"]}
    assert images == {"tensorflow/serving:2.15.1"}
    for service in compose["services"].values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])


def test_ports(flags, serving, container, manifests, folder):
    ports = {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    assert ports == {"grpc": 8500, "rest": 8501}
    published = {
        tuple(map(int, port.rsplit(":", 2)[-2:])): port.rsplit(":", 2)[0]
        for port in serving["ports"]
    }
    assert set(published) == {(8500, 8500), (8501, 8501)}
    assert set(published.values()) == {"${BIND:-127.0.0.1}"}, "published beyond loopback"
    assert {p["name"]: p["containerPort"] for p in container["ports"]} == ports
    for service, name in (("frl-dgt", "rest"), ("frl-dgt-grpc", "grpc")):
        (port,) = manifests["Service", service]["spec"]["ports"]
        assert port == {"name": name, "port": ports[name], "targetPort": name}
    clients, prometheus = manifests["NetworkPolicy", "frl-dgt"]["spec"]["ingress"]
    assert {p["port"] for p in clients["ports"]} == set(ports.values())
    assert [p["port"] for p in prometheus["ports"]] == [ports["rest"]]


def test_the_grpc_service_is_headless(manifests):
    assert manifests["Service", "frl-dgt-grpc"]["spec"]["clusterIP"] == "None"


def test_model_and_configuration_paths_are_mounted_read_only(
    flags, serving, container, pod, configs, folder
):
    (model,) = configs["models"].model_config_list.config
    base, name = model.base_path.rsplit("/", 1)
    assert name == model.name
    compose_mounts = mounts_of_compose(serving)
    pod_mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
    assert compose_mounts[base]["source"] == "${SAVED_MODELS:-../saved_models}"
    for target in (base, "/etc/tf_serving"):
        assert compose_mounts[target]["read_only"] and pod_mounts[target]["readOnly"]
    volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
    assert volumes[pod_mounts[base]["name"]]["persistentVolumeClaim"]["readOnly"]
    assert "configMap" in volumes[pod_mounts["/etc/tf_serving"]["name"]]
    for flag in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        where, file = flags[flag].rsplit("/", 1)
        assert where == "/etc/tf_serving"
        assert (folder / compose_mounts[where]["source"] / file).is_file()


def test_the_writer_and_the_servers_share_a_claim(manifests, pod):
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for spec in (pod["spec"], manifests["Pod", "model-writer"]["spec"])
        for volume in spec["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"models"} and ("PersistentVolumeClaim", "models") in manifests


def test_threads_are_the_cpu_limit(flags, serving, container, configs):
    threads = {
        int(serving["deploy"]["resources"]["limits"]["cpus"]),
        int(container["resources"]["limits"]["cpu"]),
        int(container["resources"]["requests"]["cpu"]),
        int(flags["tensorflow_inter_op_parallelism"]),
        configs["batching"].num_batch_threads.value,
    }
    assert len(threads) == 1
    assert flags["tensorflow_intra_op_parallelism"] == "1"


def test_every_size_of_a_batch_is_warmed_up(configs):
    """The batcher pads to these sizes, so no request meets a size that was not run before."""
    warmup = pytest.importorskip("me_keras.exporting.warmup")
    assert list(warmup.BATCHES) == list(configs["batching"].allowed_batch_sizes)


def test_the_development_server_has_the_same_limits(configs):
    from me_keras.serve import ServeOptions
    from me_keras.serving import models

    (model,) = configs["models"].model_config_list.config
    assert models.KEPT == model.model_version_policy.latest.num_versions
    assert ServeOptions().max_batch == configs["batching"].max_batch_size.value


def test_memory_limits_agree(serving, container):
    compose_limit = serving["deploy"]["resources"]["limits"]["memory"]
    assert compose_limit == "2G" and container["resources"]["limits"]["memory"] == "2Gi"


def test_metrics_are_scraped_where_they_are(configs, pod, flags, folder):
    path = configs["monitoring"].prometheus_config.path
    annotations = pod["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == path
    assert annotations["prometheus.io/port"] == flags["rest_api_port"]
    assert annotations["prometheus.io/scrape"] == "true"
    prometheus = yaml.safe_load((folder / "prometheus" / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert job["metrics_path"] == path
    assert job["static_configs"][0]["targets"] == [f"serving:{flags['rest_api_port']}"]
    alerts = (folder / "prometheus" / "alerts.yml").read_text()
    assert set(re.findall(r'job="(\w+)"', alerts)) == {job["job_name"]}
    assert set(re.findall(r'model_name="(\w+)"', alerts)) == {"frl_dgt"}


def test_probes(container, serving, flags):
    start = container["startupProbe"]["httpGet"]
    assert start == {"path": STATUS, "port": "rest"}
    ready = container["readinessProbe"]["exec"]["command"]
    assert ready == serving["healthcheck"]["test"][1:]
    assert f"GET {STATUS} " in ready[-1]
    assert f"/dev/tcp/127.0.0.1/{flags['rest_api_port']}\n" in ready[-1]
    assert container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}


def test_a_start_is_given_the_time_of_all_load_retries(container, flags):
    probe = container["startupProbe"]
    retries = int(flags["max_num_load_retries"]) * int(flags["load_retry_interval_micros"]) / 1e6
    assert probe["periodSeconds"] * probe["failureThreshold"] > 2 * retries


def test_a_pod_that_ends_first_leaves_the_services(pod, container):
    (command, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    rest_time_limit = 30
    assert command == "sleep"
    assert pod["spec"]["terminationGracePeriodSeconds"] >= int(seconds) + rest_time_limit


def test_everything_selects_the_servers_pods(manifests, pod):
    assert pod["metadata"]["labels"] == SELECTOR
    spec = {kind: m["spec"] for (kind, _), m in manifests.items() if "spec" in m}
    assert spec["Deployment"]["selector"]["matchLabels"] == SELECTOR
    assert spec["PodDisruptionBudget"]["selector"]["matchLabels"] == SELECTOR
    assert spec["NetworkPolicy"]["podSelector"]["matchLabels"] == SELECTOR
    for service in ("frl-dgt", "frl-dgt-grpc"):
        assert manifests["Service", service]["spec"]["selector"] == SELECTOR
    target = spec["HorizontalPodAutoscaler"]["scaleTargetRef"]
    assert ("Deployment", target["name"]) in manifests
    assert "replicas" not in spec["Deployment"], "each apply would undo the autoscaler"
    minimum = spec["HorizontalPodAutoscaler"]["minReplicas"]
    assert minimum > spec["PodDisruptionBudget"]["minAvailable"], "no node could be drained"


def test_compose_runs_with_as_few_rights_as_possible(compose, serving):
    user, group = map(int, serving["user"].split(":"))
    assert user > 0 and group > 0
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("kind, name", [("Deployment", "frl-dgt"), ("Pod", "model-writer")])
def test_pods_run_with_as_few_rights_as_possible(manifests, kind, name):
    spec = manifests[kind, name]["spec"]
    spec = spec.get("template", {}).get("spec", spec)
    assert spec["automountServiceAccountToken"] is False
    context = spec["securityContext"]
    assert context["runAsNonRoot"] and context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}


def test_the_servers_call_nobody(manifests):
    policy = manifests["NetworkPolicy", "frl-dgt"]["spec"]
    assert policy["egress"] == [] and set(policy["policyTypes"]) == {"Ingress", "Egress"}
