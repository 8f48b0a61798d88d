import Basics
import Convergence
import EventLoop
import RPC
import Testing
import Wire

@testable import AckNode

/// An aggregator on a port of its own, and a client's connection to it.
@EventLoopActor private struct Running {
  let server = RPCServer()
  let node: AckNode
  let channel: RPCChannel

  init(limits: AckAggregator.Limits = .init()) throws {
    node = AckNode(limits: limits, server: server)
    node.start()
    channel = RPCChannel(try server.listen(port: 0))
  }

  func stop() async {
    channel.close()
    node.stop()
    await server.shutdown(graceful: .zero)
  }
}

private func ack(_ node: UInt64, sequence: UInt64, applied: UInt64, held: [HeldPin] = []) -> AckMessage {
  AckMessage(nodeID: node, sessionEpoch: 1, appliedSchemaIndex: applied, held: held, sequence: sequence)
}

@EventLoopActor struct AckNodeTests {
  @Test(.timeLimit(.minutes(1))) func acksAreConfirmedAndReachTheWatcherOfABarrier() async throws {
    let running = try Running()
    let watch = running.channel.openStream(AcknowledgementService.watch)
    try await watch.send(BarrierCommand(barrierID: 1, tableID: 7, schemaIndex: 5))
    let report = running.channel.openStream(AcknowledgementService.report)
    let held = [HeldPin(tableID: 7, oldestSchemaIndex: 4)]
    try await report.send(AckBatch(acks: [ack(1, sequence: 1, applied: 5, held: held)]))
    #expect(try await report.receive()?.sequence == 1)
    #expect(try await watch.receive()?.acks == [ack(1, sequence: 1, applied: 5, held: held)])
    try await report.send(AckBatch(acks: [ack(1, sequence: 2, applied: 5)]))
    #expect(try await report.receive()?.sequence == 2)
    #expect(try await watch.receive()?.acks == [ack(1, sequence: 2, applied: 5)])
    await running.stop()
  }

  @Test(.timeLimit(.minutes(1))) func aWatcherThatComesLaterLearnsWhatIsKnown() async throws {
    let running = try Running()
    let report = running.channel.openStream(AcknowledgementService.report)
    try await report.send(AckBatch(acks: [ack(1, sequence: 1, applied: 3), ack(2, sequence: 9, applied: 4)]))
    #expect(try await report.receive()?.sequence == 9)
    let watch = running.channel.openStream(AcknowledgementService.watch)
    #expect(try await watch.receive()?.acks == [ack(1, sequence: 1, applied: 3), ack(2, sequence: 9, applied: 4)])
    watch.cancel()
    report.finishSending()
    #expect(try await report.receive() == nil)
    await running.stop()
  }

  @Test(.timeLimit(.minutes(1))) func aRefusedStreamEndsWithItsReason() async throws {
    var limits = AckAggregator.Limits()
    limits.maximumNodes = 1
    let running = try Running(limits: limits)
    let report = running.channel.openStream(AcknowledgementService.report)
    try await report.send(AckBatch(acks: [ack(1, sequence: 1, applied: 3), ack(2, sequence: 1, applied: 3)]))
    await #expect(throws: RPCError(.resourceExhausted, "this aggregator remembers 1 nodes already")) {
      _ = try await report.receive()
    }
    await running.stop()
  }
}
