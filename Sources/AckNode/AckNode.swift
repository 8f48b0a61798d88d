import Basics
import Convergence
import EventLoop
import RPC
import Wire

/// The ack aggregator as a process: `AckAggregator` behind the service `theseus.v1.Acknowledgement`.
///
/// Every stream of a node or of a metadata leader is a number to the machine; the machine's effects name the streams to
/// answer, to send to or to end.
@EventLoopActor public final class AckNode {
  public private(set) var aggregator: AckAggregator
  private let server: RPCServer
  private var reporters: [ReporterID: RPCServerStream<AckBatch, AckConfirmation>] = [:]
  private var watchers: [WatcherID: RPCServerStream<BarrierCommand, AckBatch>] = [:]
  private var nextStream: UInt64 = 1
  private var ticks: Timer?
  private let log: @EventLoopActor (String) -> Void

  /// - Parameter log: gets a line for every refused stream.
  public init(
    limits: AckAggregator.Limits = AckAggregator.Limits(), server: RPCServer,
    log: @escaping @EventLoopActor (String) -> Void = { _ in }
  ) {
    aggregator = AckAggregator(limits: limits)
    self.server = server
    self.log = log
  }

  /// Registers the service and starts the summaries. The caller listens.
  public func start() {
    server.handleStreamFast(AcknowledgementService.report) { [weak self] stream in self?.report(stream) }
    server.handleStreamFast(AcknowledgementService.watch) { [weak self] stream in self?.watch(stream) }
    server.health.set(AcknowledgementService.name, .serving)
    let interval = Duration.milliseconds(Int64(clamping: aggregator.limits.summaryIntervalMilliseconds))
    ticks = Timer.repeating(every: interval) { [weak self] in self?.perform(.tick) }
  }

  public func stop() {
    ticks?.cancel()
    ticks = nil
    server.health.set(AcknowledgementService.name, .notServing)
  }

  // MARK: - Streams

  private func report(_ stream: RPCServerStream<AckBatch, AckConfirmation>) {
    let id = ReporterID(takeNumber())
    reporters[id] = stream
    stream.onMessage = { [weak self] batch in self?.perform(.reported(id, batch.acks.map(Acknowledgement.init))) }
    stream.onClose = { [weak self] _ in
      self?.reporters.removeValue(forKey: id)?.finish()
      self?.perform(.reporterClosed(id))
    }
    perform(.reporterOpened(id))
  }

  private func watch(_ stream: RPCServerStream<BarrierCommand, AckBatch>) {
    let id = WatcherID(takeNumber())
    watchers[id] = stream
    stream.onMessage = { [weak self] command in
      let barrier = BarrierID(command.barrierID)
      if command.isClosed { return self?.perform(.barrierClosed(id, barrier)) ?? () }
      let position = Barrier(table: TableID(command.tableID), index: SchemaIndex(command.schemaIndex))
      self?.perform(.barrierOpened(id, barrier, position))
    }
    stream.onClose = { [weak self] _ in
      self?.watchers.removeValue(forKey: id)?.finish()
      self?.perform(.watcherClosed(id))
    }
    perform(.watcherOpened(id))
  }

  private func takeNumber() -> UInt64 {
    defer { nextStream += 1 }
    return nextStream
  }

  // MARK: - Effects

  private func perform(_ event: AckAggregator.Event) {
    for effect in aggregator.handle(event, now: EventLoop.now) {
      switch effect {
      case .confirm(let id, let sequence): _ = reporters[id]?.trySend(AckConfirmation(sequence: sequence))
      case .deliver(let id, let acknowledgements): deliver(acknowledgements, to: id)
      case .refuseReporter(let id, let reason):
        log("a node's stream is refused: \(reason)")
        reporters.removeValue(forKey: id)?.finish(RPCError(.resourceExhausted, reason))
      case .refuseWatcher(let id, let reason): drop(id, reason)
      }
    }
  }

  private func deliver(_ acknowledgements: [Acknowledgement], to id: WatcherID) {
    guard let stream = watchers[id], stream.isOpen else { return }
    guard !stream.trySend(AckBatch(acks: acknowledgements.map(AckMessage.init))) else { return }
    // What the machine counts as delivered must arrive: a new stream starts with everything.
    drop(id, "the watcher reads too slowly")
    EventLoop.execute { self.perform(.watcherClosed(id)) }
  }

  private func drop(_ id: WatcherID, _ reason: String) {
    log("a watcher's stream is refused: \(reason)")
    watchers.removeValue(forKey: id)?.finish(RPCError(.resourceExhausted, reason))
  }
}
