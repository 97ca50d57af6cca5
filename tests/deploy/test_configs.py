"""The server's configuration files, parsed with the messages that it parses them with."""

import pytest

text_format = pytest.importorskip("google.protobuf.text_format")

# Flags of tensorflow_model_server, from tensorflow/serving's main.cc, that could be of use here.
KNOWN_FLAGS = {
    "port",
    "grpc_channel_arguments",
    "grpc_max_threads",
    "rest_api_port",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "enable_batching",
    "batching_parameters_file",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "allow_version_labels_for_unavailable_models",
    "num_load_threads",
    "max_num_load_retries",
    "load_retry_interval_micros",
    "file_system_poll_wait_seconds",
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "ssl_config_file",
    "monitoring_config_file",
    "enable_model_warmup",
    "enable_grpc_healthcheck_service",
    "enable_profiler",
}


def test_one_model_is_served_and_the_version_before_stays_loaded(configs):
    (model,) = configs["models"].model_config_list.config
    assert model.name == "frl_dgt"
    assert model.base_path == "/models/frl_dgt"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 2


def test_allowed_batch_sizes_rise_to_the_largest(configs):
    sizes = list(configs["batching"].allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1, "a lone pair would be padded"
    assert sizes[-1] == configs["batching"].max_batch_size.value == 64


def test_a_batch_waits_less_than_a_hundredth_of_a_second(configs):
    assert 0 < configs["batching"].batch_timeout_micros.value <= 10_000


def test_metrics_are_on(configs):
    assert configs["monitoring"].prometheus_config.enable


@pytest.mark.parametrize(
    "kind, text",
    [
        ("BatchingParameters", "max_batch_size: 64"),
        ("BatchingParameters", "max_batchsize { value: 64 }"),
        ("MonitoringConfig", "prometheus { enable: true }"),
        ("ModelServerConfig", "model_config_list { config { label: 'a' } }"),
    ],
)
def test_the_messages_refuse_mistakes(messages, kind, text):
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, messages[kind]())


def test_built_messages_have_the_servers_field_numbers(messages):
    """Wire bytes written out by hand from the public definitions."""
    batching = text_format.Parse(
        "max_batch_size { value: 3 } allowed_batch_sizes: [1, 3] pad_variable_length_inputs: true",
        messages["BatchingParameters"](),
    )
    assert batching.SerializeToString() == b"\x0a\x02\x08\x03\x32\x02\x01\x03\x38\x01"
    monitoring = text_format.Parse(
        "prometheus_config { enable: true path: 'a' }", messages["MonitoringConfig"]()
    )
    assert monitoring.SerializeToString() == b"\x0a\x05\x08\x01\x12\x01a"


def test_flags_are_the_servers(flags):
    assert set(flags) <= KNOWN_FLAGS


def test_nobody_can_profile_the_server(flags):
    """On by default, for whoever reaches the gRPC port."""
    assert flags["enable_profiler"] == "false"


def test_a_batching_file_comes_with_batching(flags):
    """The file without the switch is a start-up error."""
    assert flags["enable_batching"] == "true"
    assert flags["batching_parameters_file"].endswith("batching.config")


def test_thread_pools_are_set_one_way(flags):
    """Session parallelism together with intra or inter is a start-up error."""
    assert "tensorflow_session_parallelism" not in flags
