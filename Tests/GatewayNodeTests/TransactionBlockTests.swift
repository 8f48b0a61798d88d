import Basics
import PostgresProtocol
import Testing

@testable import GatewayNode

@Suite struct TransactionBlockTests {
  @Test func beginToCommit() throws {
    var block = TransactionBlock()
    #expect(block.statusByte == .idle)
    #expect(try block.begin(tag: "BEGIN") == .init(.start, "BEGIN"))
    #expect(block.statusByte == .inTransaction)
    #expect(block.commit() == .init(.commit, "COMMIT"))
    #expect(block.statusByte == .idle)
  }

  @Test func aFailedBlockTakesOnlyItsEnd() throws {
    var block = TransactionBlock()
    _ = try block.begin(tag: "BEGIN")
    #expect(block.fail() == .nothing)
    #expect(block.statusByte == .failed)
    #expect(throws: SQLError.self) { try block.requireRunnable() }
    #expect(throws: SQLError.self) { try block.begin(tag: "BEGIN") }
    // COMMIT of a failed block says what happened.
    #expect(block.commit() == .init(.rollBack, "ROLLBACK"))
    #expect(block.state == .idle)
  }

  @Test func aSavepointRevivesAFailedBlock() throws {
    var block = TransactionBlock()
    _ = try block.begin(tag: "BEGIN")
    _ = block.fail()
    block.recover()
    #expect(block.state == .open)
  }

  @Test func statementsOfOneMessageStandOrFallTogether() {
    var block = TransactionBlock()
    block.enterImplicit()
    #expect(block.statusByte == .idle)
    #expect(block.fail() == .rollBack)
    #expect(block.endMessage() == .nothing)
    block.enterImplicit()
    #expect(block.endMessage() == .commit)
    #expect(block.state == .idle)
  }

  @Test func beginTakesOverTheImplicitTransaction() throws {
    var block = TransactionBlock()
    block.enterImplicit()
    #expect(try block.begin(tag: "BEGIN").action == .start)
    #expect(block.endMessage() == .nothing)
    #expect(block.state == .open)
  }

  @Test func endsWithoutABeginningOnlyWarn() throws {
    var block = TransactionBlock()
    #expect(block.commit().warning?.state == .noActiveTransaction)
    #expect(block.rollBack().warning?.state == .noActiveTransaction)
    _ = try block.begin(tag: "BEGIN")
    #expect(try block.begin(tag: "BEGIN").warning?.state == .activeTransaction)
  }
}
