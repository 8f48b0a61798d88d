import Basics
import Transactions
import Wire

// Between the values of module Transactions and the messages of proto/range.proto.

extension RangeError {
  init(_ failure: RangeFailure) {
    self.init()
    switch failure {
    case .notLeader(let hint):
      kind = .notLeader
      leaderNodeID = hint?.rawValue ?? 0
    case .unknownRange:
      kind = .unknown
      message = "the range is not on this node"
    case .epochMismatch: kind = .epochMismatch
    case .keyLocked(let holder):
      kind = .keyLocked
      key = holder.key
      lock = LockInfo(holder)
    case .writeConflict(let key, let commit):
      kind = .writeConflict
      self.key = key
      conflictTimestamp = commit.rawValue
    case .commitTooLow(let minimum):
      kind = .commitTooLow
      minimumTimestamp = minimum.rawValue
    case .transactionAborted: kind = .transactionAborted
    case .alreadyCommitted(let commit):
      kind = .alreadyCommitted
      conflictTimestamp = commit.rawValue
    case .outcomeUnknown: kind = .outcomeUnknown
    case .overloaded(let reason):
      kind = .overloaded
      message = reason
    case .diskFull:
      kind = .diskFull
      message = "no space left on the storage node"
    case .malformed(let reason):
      kind = .malformedRequest
      message = reason
    case .keyExists(let key):
      kind = .keyExists
      self.key = key
    case .lockTimeout(let holder):
      kind = .lockTimeout
      key = holder.key
      lock = LockInfo(holder)
    case .corrupted(let reason):
      kind = .corrupted
      message = reason
    case .timestampTooOld(let safePoint):
      kind = .timestampTooOld
      minimumTimestamp = safePoint.rawValue
      message = "what was before \(safePoint) is given up"
    case .duplicateEntry(let key):
      kind = .keyExists
      self.key = key
    }
  }

  init(_ error: SQLError) {
    self.init()
    kind = .sqlError
    message = error.message
    sqlError = SQLErrorMessage(error)
  }
}

extension LockInfo {
  init(_ holder: LockHolder) {
    self.init(
      key: holder.key, primaryKey: holder.primaryKey, primaryRangeID: holder.primaryRangeID.rawValue,
      startTimestamp: holder.start.rawValue, gatewayNodeID: holder.gatewayID.rawValue,
      ageMilliseconds: holder.ageMilliseconds)
  }
}

extension SQLErrorMessage {
  init(_ error: SQLError) {
    self.init(
      state: error.state.code, message: error.message, detail: error.detail ?? "", hint: error.hint ?? "",
      tableName: error.tableName ?? "", columnName: error.columnName ?? "",
      constraintName: error.constraintName ?? "")
  }
}

/// A request whose fields make no sense.
struct MalformedRequest: Error {
  let reason: String
}

func keyMutations(_ mutations: [Mutation]) throws(MalformedRequest) -> [KeyMutation] {
  var result: [KeyMutation] = []
  result.reserveCapacity(mutations.count)
  for mutation in mutations {
    let kind: KeyMutation.Kind
    switch mutation.kind {
    case .put: kind = .put
    case .delete: kind = .delete
    case .insert: kind = .insert
    case .check: kind = .check
    case .unrecognized(let value): throw MalformedRequest(reason: "unknown mutation kind \(value)")
    }
    result.append(
      KeyMutation(
        kind: kind, key: mutation.key, value: mutation.value,
        forUpdate: Timestamp(rawValue: mutation.forUpdateTimestamp)))
  }
  return result
}

extension ReadView {
  init(_ timestamp: UInt64, own: UInt64, ignored: [UInt64]) {
    self.init(
      timestamp: Timestamp(rawValue: timestamp), ownStart: Timestamp(rawValue: own),
      ignoredStarts: ignored.map { Timestamp(rawValue: $0) })
  }
}

extension RangeAnswer {
  /// Nil: done.
  var failure: RangeFailure? { if case .failed(let failure) = self { failure } else { nil } }
  var error: RangeError? { failure.map { RangeError($0) } }
}
