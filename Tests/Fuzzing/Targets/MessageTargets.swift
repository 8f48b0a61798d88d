import Basics
import RPC
import Wire

/// Protocol Buffers messages of `proto/`, all of them in one target: the first byte says which.
let messageTargets: [FuzzTarget] = [FuzzTarget("messages", seeds: messageSeeds, run: runMessage)]

/// In the order in which they were added: a corpus names them by position, so new ones go to the end.
private let messageTypes: [any WireMessage.Type] = [
  AckConfirmation.self,
  BarrierCommand.self,
  BackfillRequest.self,
  BackfillProgress.self,
  ValidateRequest.self,
  ValidateProgress.self,
  CallBatch.self,
  BatchedCall.self,
  ReplyBatch.self,
  BatchedReply.self,
  CallTrailer.self,
  NodeInfo.self,
  SQLErrorMessage.self,
  Empty.self,
  WaitsForRequest.self,
  WaitsForResponse.self,
  SessionInfo.self,
  SessionsResponse.self,
  HealthCheckRequest.self,
  HealthCheckResponse.self,
  RegisterRequest.self,
  RegisterResponse.self,
  RenewRequest.self,
  RenewResponse.self,
  DeregisterRequest.self,
  SafePointHold.self,
  TablePin.self,
  CommitTimestampRequest.self,
  TimestampsRequest.self,
  CommitTimestampResponse.self,
  TimestampsResponse.self,
  WatchRequest.self,
  WatchUpdate.self,
  HeldPin.self,
  AckMessage.self,
  AckBatch.self,
  DDLRequest.self,
  DDLProgress.self,
  ListJobsRequest.self,
  JobStepInfo.self,
  JobInfo.self,
  ListJobsResponse.self,
  ControlJobRequest.self,
  ControlJobResponse.self,
  ClusterStatus.self,
  RaftEnvelope.self,
  LockInfo.self,
  RangeError.self,
  RangeHeader.self,
  GetRequest.self,
  GetResponse.self,
  GetResult.self,
  ScanRequest.self,
  ScanResponse.self,
  Mutation.self,
  AcquireLocksRequest.self,
  AcquireLocksResponse.self,
  CommitOneRoundRequest.self,
  CommitOneRoundResponse.self,
  PrewriteRequest.self,
  PrewriteResponse.self,
  CommitRequest.self,
  CommitResponse.self,
  RollbackRequest.self,
  RollbackResponse.self,
  CheckTransactionRequest.self,
  CheckTransactionResponse.self,
  TransactionHeartbeatRequest.self,
  TransactionHeartbeatResponse.self,
  IngestRequest.self,
  IngestResponse.self,
  RangeStatusRequest.self,
  RangeStatusInfo.self,
  RangeStatusResponse.self,
]

private func runMessage(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let type = input.choice(messageTypes)
  check(type, input.bytes)
}

private func check<Message: WireMessage>(_: Message.Type, _ bytes: [UInt8]) {
  guard let message = try? Message(serialized: bytes) else { return }
  let written = message.serialized()
  guard let again = try? Message(serialized: written) else {
    return require(false, "\(Message.self) cannot read itself")
  }
  require(again.serialized() == written, "\(Message.self) is written and read again")
}

private func messageSeeds() -> [[UInt8]] {
  func seed<Message: WireMessage>(_ message: Message) -> [UInt8] {
    let position = messageTypes.firstIndex { $0 == Message.self } ?? 0
    return [UInt8(position)] + message.serialized()
  }
  return [
    seed(AckMessage(nodeID: 1, sessionEpoch: 2, appliedSchemaIndex: 3, held: [HeldPin(tableID: 4)], sequence: 5)),
    seed(RaftEnvelope()), seed(GetRequest()), seed(ScanRequest()), seed(DDLProgress()), seed(WatchUpdate()),
    seed(TimestampsRequest(commits: [CommitTimestampRequest(pins: [TablePin(tableID: 1, version: 2)])])),
    seed(CallBatch(calls: [BatchedCall(number: 1, method: [0x2f, 0x61], request: [1, 2])])),
    seed(NodeInfo(nodeID: 7, name: "gateway-1", role: .gateway, rpcAddress: "127.0.0.1:1", isLive: true)),
  ]
}
