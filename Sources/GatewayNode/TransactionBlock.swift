import Basics
import PostgresProtocol

/// What a session knows of its transaction (PostgreSQL 15, 55.2.2 and the reference of BEGIN, COMMIT, ROLLBACK).
///
///     idle ──BEGIN──▶ open ──error──▶ failed ──ROLLBACK/COMMIT──▶ idle
///       └─several statements of one message──▶ implicit ──end of message──▶ idle
struct TransactionBlock: Hashable {
  enum State: Hashable {
    case idle
    /// Statements that share one message, or one pipeline up to Sync, stand or fall together.
    case implicit
    case open
    case failed
  }

  private(set) var state = State.idle

  /// What the session has to do for a transaction statement.
  enum Action: Hashable {
    case nothing
    case start
    case commit
    case rollBack
  }

  struct Step: Hashable {
    var action: Action
    var tag: String
    var warning: SQLError?

    init(_ action: Action, _ tag: String, warning: SQLError? = nil) {
      self.action = action
      self.tag = tag
      self.warning = warning
    }
  }

  var statusByte: TransactionStatusByte {
    switch state {
    case .idle, .implicit: .idle
    case .open: .inTransaction
    case .failed: .failed
    }
  }

  var isOpen: Bool { state == .open || state == .failed }

  /// Throws 25P02 in a failed block.
  func requireRunnable() throws(SQLError) {
    if state == .failed {
      throw SQLError(
        .inFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
    }
  }

  mutating func enterImplicit() { if state == .idle { state = .implicit } }

  mutating func begin(tag: String) throws(SQLError) -> Step {
    switch state {
    case .idle, .implicit:
      state = .open
      return Step(.start, tag)
    case .open:
      return Step(
        .nothing, tag, warning: SQLError(.activeTransaction, "there is already a transaction in progress"))
    case .failed:
      try requireRunnable()
      return Step(.nothing, tag)
    }
  }

  mutating func commit() -> Step {
    switch state {
    case .idle:
      return Step(
        .nothing, "COMMIT", warning: SQLError(.noActiveTransaction, "there is no transaction in progress"))
    case .implicit:
      state = .idle
      return Step(
        .commit, "COMMIT", warning: SQLError(.noActiveTransaction, "there is no transaction in progress"))
    case .open:
      state = .idle
      return Step(.commit, "COMMIT")
    case .failed:
      state = .idle
      return Step(.rollBack, "ROLLBACK")
    }
  }

  mutating func rollBack() -> Step {
    switch state {
    case .idle:
      return Step(
        .nothing, "ROLLBACK", warning: SQLError(.noActiveTransaction, "there is no transaction in progress"))
    case .implicit:
      state = .idle
      return Step(
        .rollBack, "ROLLBACK", warning: SQLError(.noActiveTransaction, "there is no transaction in progress"))
    case .open, .failed:
      state = .idle
      return Step(.rollBack, "ROLLBACK")
    }
  }

  /// A statement failed: an open block waits for its end, an implicit one is over.
  mutating func fail() -> Action {
    switch state {
    case .idle: return .nothing
    case .implicit:
      state = .idle
      return .rollBack
    case .open:
      state = .failed
      return .nothing
    case .failed: return .nothing
    }
  }

  /// The message, or the pipeline, has ended.
  mutating func endMessage() -> Action {
    guard state == .implicit else { return .nothing }
    state = .idle
    return .commit
  }

  /// ROLLBACK TO SAVEPOINT makes a failed block usable again.
  mutating func recover() { if state == .failed { state = .open } }
}
