import Basics
import EventLoop
import Testing

@Suite struct ExecutorTests {
  @Test func isolatedCodeRunsOnTheLoopsThread() async {
    let onLoop = await onTheLoop { EventLoop.shared.isCurrentThread }
    #expect(onLoop)
    #expect(!EventLoop.shared.isCurrentThread)
  }

  @Test func jobsOfOneTurnRunBeforeItsEnd() async {
    let order: [Int] = await withCheckedContinuation { continuation in
      EventLoop.execute {
        let log = Log()
        EventLoop.endOfTurn {
          log.entries.append(2)
          EventLoop.execute { log.entries.append(3) }
          EventLoop.endOfTurn { continuation.resume(returning: log.entries) }
        }
        EventLoop.execute { log.entries.append(1) }
      }
    }
    #expect(order == [1, 2, 3])
  }

  @Test func sleepEndsEarlyWhenCancelled() async {
    // Longer than any run of the tests may take.
    let task = Task { @EventLoopActor in try await EventLoop.sleep(for: .seconds(36_000)) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func sleepTakesItsTime() async throws {
    let before = EventLoop.now
    try await EventLoop.sleep(for: .milliseconds(20))
    #expect(EventLoop.now.milliseconds(since: before) >= 19)
  }

  @Test func repeatingTimerFiresUntilCancelled() async {
    let count = await withCheckedContinuation { continuation in
      EventLoop.execute {
        let log = Log()
        log.timer = Timer.repeating(every: .milliseconds(1)) {
          log.entries.append(0)
          if log.entries.count == 3 {
            log.timer?.cancel()
            Timer.once(after: .milliseconds(10)) { continuation.resume(returning: log.entries.count) }
          }
        }
      }
    }
    #expect(count == 3)
  }

  @Test func workerThreadsRunOffTheLoopAndAnswerOnIt() async throws {
    let worker = WorkerThread(name: "test")
    let answers = await Task { @EventLoopActor in
      let there = await worker.run { EventLoop.shared.isCurrentThread }
      return (there, EventLoop.shared.isCurrentThread)
    }.value
    #expect(answers == (false, true))
    await #expect(throws: MalformedBytes.self) { try await worker.run { throw MalformedBytes("x") } }
  }

  @Test func durationsRoundUpToMilliseconds() {
    #expect(Duration.microseconds(1).wholeMilliseconds == 1)
    #expect(Duration.milliseconds(7).wholeMilliseconds == 7)
    #expect(Duration.seconds(-1).wholeMilliseconds == 0)
    #expect(Duration.seconds(Int64.max).wholeMilliseconds > 1 << 60)
  }
}

@EventLoopActor final class Log {
  var entries: [Int] = []
  var timer: Timer?
}

@EventLoopActor func onTheLoop<Result: Sendable>(_ body: @EventLoopActor () throws -> Result) rethrows -> Result {
  try body()
}
