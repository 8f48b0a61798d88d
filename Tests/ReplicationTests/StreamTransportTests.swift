import Basics
import EventLoop
import RPC
import Testing
import Wire

@testable import Raft
@testable import Replication

/// Two nodes on loopback that talk through real gRPC streams.
@Suite(.timeLimit(.minutes(1)), .serialized) @EventLoopActor struct StreamTransportTests {
  @EventLoopActor final class Recorder: RaftTransportReceiver {
    var received: [[UInt8]] = []
    var connected: [NodeID] = []
    var lost: [NodeID] = []

    func received(_ packed: [UInt8], from node: NodeID) throws(MalformedBytes) {
      if packed == [0xff] { throw MalformedBytes("nonsense") }
      received.append(packed)
    }
    func peerConnected(_ node: NodeID) { connected.append(node) }
    func peerLost(_ node: NodeID) { lost.append(node) }
  }

  @EventLoopActor final class Node {
    let id: NodeID
    let server = RPCServer(options: RPCServerOptions())
    let recorder = Recorder()
    var transport: StreamTransport
    var endpoint: Endpoint?

    init(_ id: UInt64, _ directory: Directory) throws {
      self.id = NodeID(id)
      var options = StreamTransportOptions()
      options.tickIntervalMilliseconds = 20
      options.pingIntervalMilliseconds = 40
      options.silenceMilliseconds = 400
      transport = StreamTransport(node: self.id, server: server, options: options) { directory.endpoints[$0] }
      transport.receiver = recorder
      endpoint = try server.listen(host: "127.0.0.1", port: 0)
      directory.endpoints[self.id] = endpoint
    }
  }

  @EventLoopActor final class Directory { var endpoints: [NodeID: Endpoint] = [:] }

  private func until(_ condition: () -> Bool) async {
    while !condition() {
      do { try await EventLoop.sleep(for: .milliseconds(2)) } catch { return }
    }
  }

  private func pair() async throws -> (Node, Node, Directory) {
    let directory = Directory()
    let one = try Node(1, directory)
    let two = try Node(2, directory)
    one.transport.connect(to: two.id)
    two.transport.connect(to: one.id)
    one.transport.start()
    two.transport.start()
    await until { one.recorder.connected == [two.id] && two.recorder.connected == [one.id] }
    return (one, two, directory)
  }

  private func close(_ nodes: Node...) async {
    for node in nodes {
      node.transport.stop()
      await node.server.shutdown(graceful: .milliseconds(10))
    }
  }

  @Test func messagesArriveInOrder() async throws {
    let (one, two, _) = try await pair()
    for number in 0..<200 { one.transport.send(to: two.id, [UInt8(number)]) }
    two.transport.send(to: one.id, [UInt8](repeating: 7, count: 3 << 20))
    await until { two.recorder.received.count == 200 && one.recorder.received.count == 1 }
    #expect(two.recorder.received == (0..<200).map { [UInt8($0)] })
    #expect(one.recorder.received[0].count == 3 << 20)
    await close(one, two)
  }

  @Test func aFullStreamKeepsALimitedQueue() async throws {
    let (one, two, _) = try await pair()
    // More than stream and queue hold together, in one turn.
    for number in 0..<60 { one.transport.send(to: two.id, [UInt8](repeating: UInt8(number), count: 1 << 20)) }
    await until { two.recorder.received.last?.first == 59 }
    #expect(one.transport.droppedCount > 0)
    #expect(two.recorder.received.count + Int(one.transport.droppedCount) == 60)
    let numbers = two.recorder.received.compactMap(\.first)
    #expect(numbers == numbers.sorted())
    await close(one, two)
  }

  @Test func aPeerThatStopsIsLostAndComesBack() async throws {
    let (one, two, directory) = try await pair()
    await close(two)
    await until { one.recorder.lost == [two.id] }
    let again = try Node(2, directory)
    again.transport.connect(to: one.id)
    again.transport.start()
    await until { one.recorder.connected == [two.id, two.id] && again.recorder.connected == [one.id] }
    one.transport.send(to: two.id, [1])
    await until { again.recorder.received == [[1]] }
    await close(one, again)
  }

  @Test func aPeerThatWasNeverThereIsLost() async throws {
    let directory = Directory()
    let one = try Node(1, directory)
    one.transport.connect(to: NodeID(9))
    one.transport.start()
    await until { one.recorder.lost == [NodeID(9)] }
    #expect(one.recorder.connected == [])
    await close(one)
  }

  @Test func nonsenseEndsTheStreamOnly() async throws {
    let (one, two, _) = try await pair()
    one.transport.send(to: two.id, [0xff])
    await until { two.recorder.lost == [one.id] && two.recorder.connected == [one.id, one.id] }
    one.transport.send(to: two.id, [2])
    await until { two.recorder.received == [[2]] }
    await close(one, two)
  }

  @Test func envelopesForOthersAreRefused() async throws {
    let (one, two, _) = try await pair()
    let endpoint = try #require(two.endpoint)
    let channel = RPCChannel(endpoint)
    let stream = channel.openStream(RaftTransportService.exchange)
    stream.trySend(RaftEnvelope(fromNodeID: 5, toNodeID: 77, messages: [1]))
    let error = await #expect(throws: RPCError.self) { _ = try await stream.receive() }
    #expect(error?.status == .failedPrecondition)
    #expect(two.recorder.received == [])
    channel.close()
    await close(one, two)
  }

  @Test func hostsElectAndReplicateOverStreams() async throws {
    let directory = Directory()
    let nodes = try (1...3).map { try Node($0, directory) }
    let cluster = try TestCluster(groups: 3, transports: nodes.map(\.transport))
    for group in cluster.groups {
      for number in 0..<10 { try await cluster.propose("\(number)", group) }
      await cluster.everywhere(10, group)
    }
    await cluster.stop()
    for node in nodes { await node.server.shutdown(graceful: .milliseconds(10)) }
  }
}
