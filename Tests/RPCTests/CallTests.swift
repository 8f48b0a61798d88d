import EventLoop
import Testing
import Wire

@testable import RPC

@Suite(.timeLimit(.minutes(1))) struct CallTests {
  @Test(arguments: [0, 1, 100, 16_384, 3_000_000])
  func unaryEchoes(size: Int) async throws {
    try await withEcho { echo in
      let request = RawMessage(bytes: [UInt8](repeating: 5, count: size))
      let answer1 = try await echo.channel.call(EchoService.unary, request)
      #expect(answer1 == request)
      let answer2 = try await echo.channel.call(EchoService.fast, request)
      #expect(answer2 == request)
    }
  }

  @Test func manyCallsInFlight() async throws {
    try await withEcho { echo in
      let answered: Int = await withCheckedContinuation { continuation in
        var answers = 0
        for number in 0..<5000 {
          let bytes = Array(String(number).utf8)
          echo.channel.call(EchoService.fast, RawMessage(bytes: bytes)) { result in
            #expect((try? result.get().bytes) == bytes)
            answers += 1
            if answers == 5000 { continuation.resume(returning: answers) }
          }
        }
      }
      #expect(answered == 5000)
    }
  }

  @Test func errorsKeepStatusTextAndTrailers() async throws {
    try await withEcho { echo in
      let text = "nicht möglich: 100 %\n"
      do throws(RPCError) {
        _ = try await echo.channel.call(
          EchoService.fail, RawMessage(bytes: Array(text.utf8)), metadata: ["question": "why"])
        Issue.record("no error")
      } catch {
        #expect(error.status == .failedPrecondition)
        #expect(error.message == text)
        #expect(error.trailers == ["theseus-leader": "h:1", "seen": "why"])
        #expect(!error.wasNotSent)
      }
    }
  }

  @Test func unknownMethodIsUnimplemented() async throws {
    try await withEcho { echo in
      let method = RPCMethod<RawMessage, RawMessage>("/test.Echo/Missing", .unary)
      let error = await #expect(throws: RPCError.self) { try await echo.channel.call(method, RawMessage()) }
      #expect(error?.status == .unimplemented)
    }
  }

  @Test func deadlineEndsTheCallOnBothSides() async throws {
    try await withEcho { echo in
      // The connection stands, so the request surely reaches the server before the deadline ends it.
      _ = try await echo.channel.call(EchoService.fast, RawMessage())
      let before = EventLoop.now
      let error = await #expect(throws: RPCError.self) {
        try await echo.channel.call(EchoService.never, RawMessage(), deadline: .milliseconds(50))
      }
      #expect(error?.status == .deadlineExceeded)
      #expect(EventLoop.now.milliseconds(since: before) >= 49)
      await echo.cancelled.wait()
    }
  }

  @Test func cancellingTheTaskCancelsTheHandler() async throws {
    try await withEcho { echo in
      let task = Task { @EventLoopActor in
        try await echo.channel.call(EchoService.never, RawMessage(), deadline: nil)
      }
      await echo.entered.wait()
      task.cancel()
      let error = await #expect(throws: RPCError.self) { try await task.value }
      #expect(error?.status == .cancelled)
      await echo.cancelled.wait()
    }
  }

  @Test func cancellingBeforeTheRequestLeavesIsHarmless() async throws {
    try await withEcho { echo in
      _ = try await echo.channel.call(EchoService.fast, RawMessage())
      let status: RPCStatus? = await withCheckedContinuation { continuation in
        let call = echo.channel.call(EchoService.never, RawMessage(), deadline: nil) { result in
          if case .failure(let error) = result { continuation.resume(returning: error.status) }
        }
        call.cancel()
        call.cancel()
      }
      #expect(status == .cancelled)
      let answer3 = try await echo.channel.call(EchoService.fast, RawMessage())
      #expect(answer3 == RawMessage())
      #expect(echo.server.runningCallCount == 0)
    }
  }

  @Test func messageBeyondTheLimitIsRefused() async throws {
    var options = RPCServerOptions()
    options.maximumMessageBytes = 1000
    try await withEcho(options) { echo in
      let error = await #expect(throws: RPCError.self) {
        try await echo.channel.call(EchoService.fast, RawMessage(bytes: [UInt8](repeating: 0, count: 1001)))
      }
      #expect(error?.status == .resourceExhausted)
      _ = try await echo.channel.call(EchoService.fast, RawMessage(bytes: [UInt8](repeating: 0, count: 1000)))
    }
  }

  @Test func healthIsAnswered() async throws {
    try await withEcho { echo in
      let answer4 = try await echo.channel.call(HealthService.check, HealthCheckRequest())
      #expect(answer4.status == .serving)
      let missing = await #expect(throws: RPCError.self) {
        try await echo.channel.call(HealthService.check, HealthCheckRequest(service: "x"))
      }
      #expect(missing?.status == .notFound)
      let watch = echo.channel.openServerStream(HealthService.watch, HealthCheckRequest(service: "x"))
      let answer5 = try await watch.receive()
      #expect(answer5?.status == .serviceUnknown)
      echo.server.health.set("x", .notServing)
      let answer6 = try await watch.receive()
      #expect(answer6?.status == .notServing)
      watch.cancel()
    }
  }
}
