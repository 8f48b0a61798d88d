"""Checks the Swift gRPC server with Python's grpcio: client.py HOST:PORT"""

import sys
import threading
import time

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(sys.argv[1], options=OPTIONS)
unary = channel.unary_unary("/test.Echo/Unary")
fail = channel.unary_unary("/test.Echo/Fail")
sleep = channel.unary_unary("/test.Echo/Sleep")
sleeping = channel.unary_unary("/test.Echo/Sleeping")
cancelled = channel.unary_unary("/test.Echo/Cancelled")
count = channel.unary_stream("/test.Echo/Count")
total = channel.stream_unary("/test.Echo/Total")
chat = channel.stream_stream("/test.Echo/Chat")
failures = 0


def status_of(body):
    try:
        body()
    except grpc.RpcError as error:
        return error
    raise AssertionError("no error")


def check_unary():
    assert unary(b"hello", timeout=5) == b"hello"
    assert unary(b"", timeout=5) == b""


def check_large():
    message = bytes(range(256)) * 12000
    assert unary(message, timeout=20) == message


def check_failure():
    text = "nicht möglich: 100 %\n"
    error = status_of(lambda: fail(text.encode(), timeout=5, metadata=[("question", "why")]))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == text, error.details()
    trailers = dict(error.trailing_metadata())
    assert trailers["theseus-leader"] == "h:1" and trailers["seen"] == "why", trailers


def check_deadline():
    error = status_of(lambda: sleep(b"", timeout=0.2))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error


def check_cancel():
    before, arrived = int(cancelled(b"", timeout=5)), int(sleeping(b"", timeout=5))
    call = sleep.future(b"", timeout=60)
    grows(sleeping, arrived, "the call did not arrive")
    call.cancel()
    grows(cancelled, before, "the server was not told")


def grows(number, before, complaint):
    for _ in range(200):
        if int(number(b"", timeout=5)) > before:
            return
        time.sleep(0.01)
    raise AssertionError(complaint)


def check_server_stream():
    assert [int(x) for x in count(b"1000", timeout=20)] == list(range(1000))


def check_client_stream():
    assert total((b"x" * 50000 for _ in range(100)), timeout=20) == b"5000000"


def check_chat():
    messages = [b"", b"a", b"b" * 100000, b"c" * 2000000]
    assert list(chat(iter(messages), timeout=20)) == messages


def check_unknown_method():
    error = status_of(lambda: channel.unary_unary("/test.Echo/Missing")(b"", timeout=5))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def check_parallel():
    wrong = []

    def work(number):
        for index in range(200):
            message = f"{number}.{index}".encode()
            if unary(message, timeout=20) != message:
                wrong.append(message)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def check_health():
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=5) == b"\x08\x01"


for check in [
    check_unary,
    check_large,
    check_failure,
    check_deadline,
    check_cancel,
    check_server_stream,
    check_client_stream,
    check_chat,
    check_unknown_method,
    check_parallel,
    check_health,
]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        check()
        print(f"ok   python client: {name}")
    except Exception as error:
        failures += 1
        print(f"FAIL python client: {name}: {error!r}")
sys.exit(1 if failures else 0)
