import Basics
import Convergence
import EventLoop
import RPC
import Wire

/// The metadata leader's streams to the ack aggregators: open barriers go out, folded acks come in. Aggregators may come and go;
/// a new stream hears of every open barrier.
@EventLoopActor final class AggregatorLinks {
  /// Aggregators watched at once; nodes choose any of them.
  static let maximumLinks = 16
  static let reconnectMilliseconds: Int64 = 200

  @EventLoopActor private final class Link {
    let channel: RPCChannel
    var stream: RPCClientStream<BarrierCommand, AckBatch>?
    var retry: Timer?
    init(_ endpoint: Endpoint) { channel = RPCChannel(endpoint) }
  }

  private var links: [Endpoint: Link] = [:]
  private var barriers: [BarrierID: Barrier] = [:]
  private let onAcks: @EventLoopActor ([Acknowledgement]) -> Void

  init(onAcks: @escaping @EventLoopActor ([Acknowledgement]) -> Void) { self.onAcks = onAcks }

  /// The aggregators that are live now.
  func setEndpoints(_ endpoints: [Endpoint]) {
    let wanted = Set(endpoints.prefix(Self.maximumLinks))
    for endpoint in links.keys.sorted(by: { $0.description < $1.description }) where !wanted.contains(endpoint) {
      close(endpoint)
    }
    for endpoint in endpoints.prefix(Self.maximumLinks) where links[endpoint] == nil {
      links[endpoint] = Link(endpoint)
      connect(endpoint)
    }
  }

  func open(_ id: BarrierID, _ barrier: Barrier) {
    barriers[id] = barrier
    send(Self.command(id, barrier))
  }

  func close(_ id: BarrierID) {
    guard let barrier = barriers.removeValue(forKey: id) else { return }
    var command = Self.command(id, barrier)
    command.isClosed = true
    send(command)
  }

  func closeAll() {
    barriers = [:]
    for endpoint in Array(links.keys) { close(endpoint) }
  }

  private static func command(_ id: BarrierID, _ barrier: Barrier) -> BarrierCommand {
    BarrierCommand(
      barrierID: id.rawValue, tableID: barrier.table.rawValue, schemaIndex: barrier.index.rawValue, isClosed: false)
  }

  private func send(_ command: BarrierCommand) {
    for link in links.values { link.stream?.trySend(command) }
  }

  private func close(_ endpoint: Endpoint) {
    guard let link = links.removeValue(forKey: endpoint) else { return }
    link.retry?.cancel()
    link.stream?.onClose = nil
    link.stream?.cancel()
    link.channel.close()
  }

  private func connect(_ endpoint: Endpoint) {
    guard let link = links[endpoint] else { return }
    let stream = link.channel.openStream(AcknowledgementService.watch, deadline: nil)
    link.stream = stream
    stream.onMessage = { [weak self] batch in self?.onAcks(batch.acks.map(Acknowledgement.init)) }
    stream.onClose = { [weak self] _ in
      guard let self, let link = self.links[endpoint], link.stream === stream else { return }
      if !barriers.isEmpty { Probes.reached(.aggregatorLostWithBarriers) }
      link.stream = nil
      link.retry = Timer.once(after: .milliseconds(Self.reconnectMilliseconds)) { [weak self] in
        self?.connect(endpoint)
      }
    }
    for id in barriers.keys.sorted() {
      if let barrier = barriers[id] { stream.trySend(Self.command(id, barrier)) }
    }
  }
}
