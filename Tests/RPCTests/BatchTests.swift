import EventLoop
import Testing
import Wire

@testable import RPC

@Suite(.timeLimit(.minutes(1))) struct BatchTests {
  /// One call in a batch; the connection stands already.
  @EventLoopActor private func call(
    _ echo: EchoFixture, _ method: RPCMethod<RawMessage, RawMessage>, _ bytes: [UInt8],
    deadline: Duration = .seconds(30)
  ) async throws(RPCError) -> [UInt8] {
    let result: Result<RawMessage, RPCError> = await withUnsafeContinuation { continuation in
      echo.channel.callInBatch(method, RawMessage(bytes: bytes), deadline: deadline) {
        continuation.resume(returning: $0)
      }
    }
    return try result.get().bytes
  }

  /// Until the channel is connected calls go alone.
  @EventLoopActor private func connect(_ echo: EchoFixture) async throws {
    _ = try await echo.channel.call(EchoService.fast, RawMessage())
  }

  @Test func callsOfOneTurnShareOneStream() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let answered: Int = await withCheckedContinuation { continuation in
        var answers = 0
        for number in 0..<3000 {
          let bytes = Array(String(number).utf8)
          echo.channel.callInBatch(EchoService.fast, RawMessage(bytes: bytes), deadline: .seconds(30)) { result in
            #expect((try? result.get().bytes) == bytes)
            answers += 1
            if answers == 3000 { continuation.resume(returning: answers) }
          }
        }
      }
      #expect(answered == 3000)
      // The stream of the batches and nothing else.
      #expect(echo.server.runningCallCount == 1)
    }
  }

  @Test(arguments: [0, 1, BatchedCalls.maximumRequestBytes, BatchedCalls.maximumRequestBytes + 1, 3_000_000])
  func everySizeIsAnswered(size: Int) async throws {
    try await withEcho { echo in
      try await connect(echo)
      let bytes = [UInt8](repeating: 9, count: size)
      let answer = try await call(echo, EchoService.fast, bytes)
      #expect(answer == bytes)
    }
  }

  @Test func beforeTheConnectionStandsCallsGoAlone() async throws {
    try await withEcho { echo in
      let answer = try await call(echo, EchoService.fast, [1])
      #expect(answer == [1])
    }
  }

  @Test func errorsKeepStatusTextAndTrailers() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let error = await #expect(throws: RPCError.self) { try await call(echo, EchoService.failFast, Array("é\n".utf8)) }
      #expect(error?.status == .failedPrecondition)
      #expect(error?.message == "é\n")
      #expect(error?.trailers == ["theseus-leader": "h:1"])
      #expect(error?.wasNotSent == false)
    }
  }

  @Test func methodsWithTasksAndUnknownOnesAreUnimplemented() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let missing = RPCMethod<RawMessage, RawMessage>("/test.Echo/Missing", .unary)
      for method in [missing, EchoService.unary, EchoService.count] {
        let error = await #expect(throws: RPCError.self) { try await call(echo, method, [1]) }
        #expect(error?.status == .unimplemented)
      }
      let answer = try await call(echo, EchoService.fast, [2])
      #expect(answer == [2])
    }
  }

  @Test func deadlineEndsTheCallOnBothSides() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let error = await #expect(throws: RPCError.self) {
        try await call(echo, EchoService.later, [1], deadline: .milliseconds(50))
      }
      #expect(error?.status == .deadlineExceeded)
      await echo.cancelled.wait()
      // An answer that comes too late harms nobody.
      for reply in echo.laterReplies { reply() }
      let answer = try await call(echo, EchoService.fast, [2])
      #expect(answer == [2])
    }
  }

  @Test func aSlowCallHoldsUpNoOther() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let slow = Task { @EventLoopActor in try await call(echo, EchoService.later, [1]) }
      await echo.entered.wait()
      let answer = try await call(echo, EchoService.fast, [2])
      #expect(answer == [2])
      for reply in echo.laterReplies { reply() }
      let late = try await slow.value
      #expect(late == [1])
    }
  }

  @Test func aLostConnectionLeavesTheOutcomeOpen() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let slow = Task { @EventLoopActor in try await call(echo, EchoService.later, [1]) }
      await echo.entered.wait()
      echo.channel.close()
      let error = await #expect(throws: RPCError.self) { try await slow.value }
      #expect(error?.status == .unavailable)
      #expect(error?.wasNotSent == false)
      // The server hears that nobody waits any more.
      await echo.cancelled.wait()
    }
  }

  @Test func gracefulShutdownAnswersWhatIsUnderWay() async throws {
    try await withEcho { echo in
      try await connect(echo)
      let slow = Task { @EventLoopActor in try await call(echo, EchoService.later, [1]) }
      await echo.entered.wait()
      let shutdown = Task { @EventLoopActor in await echo.server.shutdown(graceful: .seconds(30)) }
      while echo.channel.state == .ready { try await EventLoop.sleep(for: .milliseconds(1)) }
      for reply in echo.laterReplies { reply() }
      let late = try await slow.value
      #expect(late == [1])
      await shutdown.value
      let error = await #expect(throws: RPCError.self) { try await call(echo, EchoService.fast, [2]) }
      #expect(error?.status == .unavailable)
      #expect(error?.wasNotSent == true)
    }
  }

  @Test func anIdleStreamDelaysNoShutdown() async throws {
    try await withEcho { echo in
      try await connect(echo)
      _ = try await call(echo, EchoService.fast, [1])
      // Would run into the time limit of the suite.
      await echo.server.shutdown(graceful: .seconds(600))
    }
  }

  @Test func aServerWithoutBatchesGetsTheCallsAlone() async throws {
    var options = RPCServerOptions()
    options.servesBatches = false
    try await withEcho(options) { echo in
      try await connect(echo)
      for number in 0..<3 as Range<UInt8> {
        let answer = try await call(echo, EchoService.fast, [number])
        #expect(answer == [number])
      }
      #expect(echo.server.runningCallCount == 0)
    }
  }

  @Test func aNumberUsedTwiceEndsTheStream() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(CallsService.exchange)
      let path = Array(EchoService.later.path.utf8)
      let call = BatchedCall(number: 7, method: path, timeoutMilliseconds: 1000, request: [])
      try await stream.send(CallBatch(calls: [call, call]))
      let error = await #expect(throws: RPCError.self) { while try await stream.receive() != nil {} }
      #expect(error?.status == .invalidArgument)
      await echo.cancelled.wait()
      #expect(echo.server.runningCallCount == 0)
    }
  }
}
