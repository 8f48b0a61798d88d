import EventLoop
import Testing
import Wire

@testable import RPC

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
  @Test func serverStreamEndsWithStatus() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openServerStream(EchoService.count, RawMessage(bytes: [0, 0, 0]))
      var numbers: [UInt8] = []
      while let message = try await stream.receive() { numbers += message.bytes }
      #expect(numbers == [0, 1, 2])
    }
  }

  @Test func bidirectionalStreamAnswersEachMessage() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(EchoService.chat)
      for size in [0, 1, 70_000, 2_000_000] {
        let message = RawMessage(bytes: [UInt8](repeating: 3, count: size))
        try await stream.send(message)
        let answer = try await stream.receive()
        #expect(answer == message)
      }
      stream.finishSending()
      let last = try await stream.receive()
      #expect(last == nil)
    }
  }

  @Test func callbacksGetMessagesInOrderThenTheEnd() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(EchoService.fastChat)
      let (numbers, error): ([UInt8], RPCError?) = await withCheckedContinuation { continuation in
        var numbers: [UInt8] = []
        stream.onMessage = { numbers += $0.bytes }
        stream.onClose = { continuation.resume(returning: (numbers, $0)) }
        for number in UInt8(0)..<100 { #expect(stream.trySend(RawMessage(bytes: [number]))) }
        stream.finishSending()
      }
      #expect(numbers == Array(0..<100))
      #expect(error == nil)
    }
  }

  @Test func aSlowReaderHoldsTheSenderUp() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openServerStream(EchoService.flood, RawMessage())
      _ = try await stream.receive()
      try await quiet { echo.floodSent }
      // 1 MiB window and 256 KiB held unread on this side, 1 MiB buffer and one message on the other, sockets.
      let sentUnread = echo.floodSent
      #expect(sentUnread < 100, "\(sentUnread) messages of 100 kB without a reader")
      for _ in 0..<200 { _ = try await stream.receive() }
      #expect(echo.floodSent > 200)
      stream.cancel()
    }
  }

  @Test func aSlowServerHoldsTheClientUp() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(EchoService.sink)
      let chunk = RawMessage(bytes: [UInt8](repeating: 1, count: 100_000))
      var sent = 0
      while stream.trySend(chunk) { sent += 1 }
      try await quiet { echo.channel.state == .ready ? 1 : 0 }
      while stream.trySend(chunk) { sent += 1 }
      #expect(sent > 5 && sent < 100)
      echo.mayRead.fire()
      for _ in 0..<100 {
        try await stream.send(chunk)
        sent += 1
      }
      stream.finishSending()
      let answer = try await stream.receive()
      #expect(answer.map { String(decoding: $0.bytes, as: UTF8.self) } == String(sent * 100_000))
    }
  }

  @Test func cancellingTheReceiverCancelsTheCall() async throws {
    try await withEcho { echo in
      let task = Task { @EventLoopActor in
        let stream = echo.channel.openStream(EchoService.chat)
        while try await stream.receive() != nil {}
      }
      while echo.server.runningCallCount == 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
      task.cancel()
      let error = await #expect(throws: RPCError.self) { try await task.value }
      #expect(error?.status == .cancelled)
      while echo.server.runningCallCount > 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
    }
  }

  @Test func deadlineEndsAStream() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(EchoService.chat, deadline: .milliseconds(30))
      let error = await #expect(throws: RPCError.self) { try await stream.receive() }
      #expect(error?.status == .deadlineExceeded)
    }
  }

  /// Waits until `value` stays the same for 30 ms.
  @EventLoopActor private func quiet(_ value: @EventLoopActor () -> Int) async throws {
    var last = value() - 1
    while value() != last {
      last = value()
      try await EventLoop.sleep(for: .milliseconds(30))
    }
  }
}
