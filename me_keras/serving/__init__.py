"""TensorFlow Serving: one client for gRPC and REST, and a server with its API for development.

    from me_keras.serving import connect

    with connect("grpc://localhost:8500") as client:
        answer = client.predict({"onset_bytes": [png], "apex_bytes": [png]}, "serving_bytes")

Importing this loads neither TensorFlow nor gRPC; `connect` loads what its address asks for.
"""

from me_keras.serving.client import TLS, Client, connect
from me_keras.serving.errors import ServingError

__all__ = ["TLS", "Client", "ServingError", "connect"]
