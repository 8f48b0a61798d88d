import EventLoop
import Simulation
import Verification

/// What workloads see of a simulated cluster.
@EventLoopActor final class ClusterWorkloadHost: WorkloadHost {
  nonisolated let seed: UInt64
  nonisolated let snapshotLife: UInt64?
  private let cluster: SimulatedCluster
  private let onPhase: @EventLoopActor (WorkloadPhase) async -> Void

  init(
    _ cluster: SimulatedCluster, seed: UInt64, snapshotLife: UInt64?,
    onPhase: @escaping @EventLoopActor (WorkloadPhase) async -> Void
  ) {
    self.cluster = cluster
    self.seed = seed
    self.snapshotLife = snapshotLife
    self.onPhase = onPhase
  }

  nonisolated var now: UInt64 { EventLoopActor.assumeIsolated { cluster.world.clock } }

  func pause(milliseconds: UInt64) async {
    await cluster.world.run(for: .milliseconds(Int64(clamping: milliseconds)))
  }

  func client(preferredGateway: Int) async -> any SQLClient {
    ClusterClientSession(cluster, gateway: max(0, preferredGateway))
  }

  func entered(_ phase: WorkloadPhase) async { await onPhase(phase) }
}
