"""A gRPC server by Python's grpcio for the Swift client; prints "listening HOST:PORT" and runs until it is killed."""

import threading
from concurrent import futures

import grpc

cancelled_count = 0
sleep_count = 0
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def unary(request, context):
    return request


def fail(request, context):
    question = dict(context.invocation_metadata()).get("question", "")
    context.set_trailing_metadata([("theseus-leader", "h:1"), ("seen", question)])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, request.decode())


def sleep(request, context):
    global cancelled_count, sleep_count
    sleep_count += 1
    ended = threading.Event()
    context.add_callback(ended.set)
    if ended.wait(60):
        cancelled_count += 1
    return request


def sleeping(request, context):
    return str(sleep_count).encode()


def cancelled(request, context):
    return str(cancelled_count).encode()


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def total(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def chat(requests, context):
    yield from requests


server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=OPTIONS)
server.add_generic_rpc_handlers(
    [
        grpc.method_handlers_generic_handler(
            "test.Echo",
            {
                "Unary": grpc.unary_unary_rpc_method_handler(unary),
                "Fail": grpc.unary_unary_rpc_method_handler(fail),
                "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
                "Sleeping": grpc.unary_unary_rpc_method_handler(sleeping),
                "Cancelled": grpc.unary_unary_rpc_method_handler(cancelled),
                "Count": grpc.unary_stream_rpc_method_handler(count),
                "Total": grpc.stream_unary_rpc_method_handler(total),
                "Chat": grpc.stream_stream_rpc_method_handler(chat),
            },
        )
    ]
)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
