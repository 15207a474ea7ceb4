"""The plugin's process: `pulumi-resource-kubernetes [flags] ENGINE_ADDRESS`.

Serves on a free port of the loopback address, writes the port to stdout as the engine expects, and ends when it is
told to (SIGTERM, SIGINT) or when the engine that started it is gone.
"""

import importlib.util
import os
import signal
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

_MAX_CONCURRENT_OPERATIONS = 256
"""Each waiting resource holds a thread; threads are only made when needed."""
_ORPHAN_CHECK_SECONDS = 2.0


def _import_messages_only() -> None:
    """Make `pulumi.runtime.proto` importable without the whole SDK, which would double the start-up time.

    The SDK's package modules, which import everything, are replaced by empty ones of the same place. Only for this
    process: nothing here uses the SDK beside its gRPC messages.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the Pulumi SDK is not installed in the environment of the provider stand-in: run make install")
    root = spec.submodule_search_locations[0]
    for name, path in (
        ("pulumi", root),
        ("pulumi.runtime", f"{root}/runtime"),
        ("pulumi.runtime.proto", f"{root}/runtime/proto"),
    ):
        module = types.ModuleType(name)
        module.__path__ = [path]
        sys.modules[name] = module


def main(arguments: list[str]) -> None:
    """Serve until told to end. The engine's address is the last argument."""
    if not arguments or arguments[-1].startswith("-"):
        sys.exit("this is a Pulumi plugin, started by the Pulumi engine with its address as argument")
    engine = os.getppid()
    _import_messages_only()
    # Late, so that they find the light packages.
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    from devcluster.provider.engine import EngineLog
    from devcluster.provider.server import PluginServer

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_MAX_CONCURRENT_OPERATIONS),
        options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)),
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(PluginServer(EngineLog(arguments[-1])), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not ended.wait(_ORPHAN_CHECK_SECONDS) and os.getppid() == engine:
        pass
    server.stop(grace=None)
    os._exit(0)  # Do not wait for the threads of operations that were cut off.


if __name__ == "__main__":
    main(sys.argv[1:])
