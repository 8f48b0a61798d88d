import Basics
import EventLoop
import RPC
import Wire

/// Tells the cluster what this node has applied and what it still holds (Convergence.md).
///
/// Acks go to an aggregator while one confirms them, else straight to the metadata leader. They are cumulative, so
/// sending one twice, or to two receivers, does no harm.
@EventLoopActor final class Acknowledger {
  private unowned let connection: MetadataConnection
  private var sequence: UInt64 = 0
  private var confirmedSequence: UInt64 = 0
  /// When the oldest unconfirmed ack was sent.
  private var unconfirmedSince: MonotonicTime?
  private var isScheduled = false
  private var lastSent = MonotonicTime(nanoseconds: 0)
  private var lastContent: AckMessage?
  private var stream: RPCClientStream<AckBatch, AckConfirmation>?
  private var aggregator: NodeID?
  /// Aggregators that failed lately, with the time until which they are not asked.
  private var avoided: [NodeID: MonotonicTime] = [:]
  private var isSendingDirectly = false
  private var timer: Timer?

  init(_ connection: MetadataConnection) { self.connection = connection }

  func start() {
    timer = Timer.repeating(every: .milliseconds(Int64(ClientLimits.acknowledgementMilliseconds / 2))) { [weak self] in
      self?.tick()
    }
  }

  func stop() {
    timer?.cancel()
    stream?.cancel()
    stream = nil
  }

  /// Sends at the end of this turn, once however often it is called.
  func schedule() {
    if isScheduled { return }
    isScheduled = true
    EventLoop.endOfTurn { [weak self] in
      guard let self else { return }
      self.isScheduled = false
      self.send(isRepetition: false)
    }
  }

  private func tick() {
    let now = EventLoop.now
    if let since = unconfirmedSince, now.milliseconds(since: since) > ClientLimits.acknowledgementMilliseconds {
      abandonAggregator()
    }
    if now.milliseconds(since: lastSent) >= ClientLimits.acknowledgementMilliseconds { send(isRepetition: true) }
  }

  private func content(_ epoch: SessionEpoch) -> AckMessage {
    let applied = connection.appliedSchemaIndex
    let allowed = connection.acknowledgementGate?(applied) ?? applied
    let held = connection.pins.held(below: applied).map {
      HeldPin(tableID: $0.table.rawValue, oldestSchemaIndex: $0.index.rawValue)
    }
    return AckMessage(
      nodeID: connection.nodeID.rawValue, sessionEpoch: epoch.rawValue,
      appliedSchemaIndex: connection.pins.acknowledgeable(min(allowed, applied)).rawValue, held: held, sequence: 0)
  }

  private func send(isRepetition: Bool) {
    guard let epoch = connection.sessionEpoch, connection.history != nil,
      !PlantedFault.isPlanted(.acknowledgementsLost)
    else { return }
    var message = content(epoch)
    if !isRepetition, message == lastContent { return }
    lastContent = message
    lastSent = EventLoop.now
    sequence += 1
    message.sequence = sequence
    let batch = AckBatch(acks: [message])
    if let stream = openStream() {
      if stream.trySend(batch) {
        if unconfirmedSince == nil { unconfirmedSince = lastSent }
        return
      }
      abandonAggregator()
    }
    sendDirectly(batch)
  }

  private func sendDirectly(_ batch: AckBatch) {
    // One at a time: the newest content goes out when the running one has ended.
    if isSendingDirectly { return }
    isSendingDirectly = true
    let sent = sequence
    connection.call(
      MetadataService.acknowledge, batch, deadline: EventLoop.now.advanced(byMilliseconds: 2_000)
    ) { [weak self] _ in
      guard let self else { return }
      self.isSendingDirectly = false
      if self.sequence > sent {
        self.lastContent = nil
        self.send(isRepetition: false)
      }
    }
  }

  // MARK: - Aggregator

  private func openStream() -> RPCClientStream<AckBatch, AckConfirmation>? {
    if let stream { return stream }
    let now = EventLoop.now
    avoided = avoided.filter { $0.value > now }
    let live = connection.nodes.values
      .filter { $0.role == .ack && $0.isLive && avoided[NodeID($0.nodeID)] == nil }
      .map { NodeID($0.nodeID) }.sorted()
    guard !live.isEmpty else { return nil }
    let chosen = live[Int(connection.nodeID.rawValue % UInt64(live.count))]
    guard let channel = connection.channel(to: chosen) else { return nil }
    let stream = channel.openStream(AcknowledgementService.report, deadline: nil)
    stream.onMessage = { [weak self] confirmation in self?.confirm(confirmation.sequence) }
    stream.onClose = { [weak self, weak stream] _ in
      guard let self, let stream, self.stream === stream else { return }
      self.abandonAggregator()
      self.lastContent = nil
      self.schedule()
    }
    self.stream = stream
    aggregator = chosen
    return stream
  }

  private func confirm(_ sequence: UInt64) {
    confirmedSequence = max(confirmedSequence, sequence)
    unconfirmedSince = confirmedSequence >= self.sequence ? nil : EventLoop.now
  }

  private func abandonAggregator() {
    if let aggregator { avoided[aggregator] = EventLoop.now.advanced(byMilliseconds: 2_000) }
    aggregator = nil
    unconfirmedSince = nil
    let stream = stream
    self.stream = nil
    stream?.cancel()
  }
}
