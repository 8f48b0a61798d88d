import Basics
import PostgresProtocol
import Testing

@testable import GatewayNode

@Suite struct TransactionBlockTests {
  @Test func beginToCommit() throws {
    var block = TransactionBlock()
    #expect(block.statusByte == .idle)
    let step1 = try block.begin(tag: "BEGIN")
    #expect(step1 == .init(.start, "BEGIN"))
    #expect(block.statusByte == .inTransaction)
    let step2 = block.commit()
    #expect(step2 == .init(.commit, "COMMIT"))
    #expect(block.statusByte == .idle)
  }

  @Test func aFailedBlockTakesOnlyItsEnd() throws {
    var block = TransactionBlock()
    _ = try block.begin(tag: "BEGIN")
    let step3 = block.fail()
    #expect(step3 == .nothing)
    #expect(block.statusByte == .failed)
    #expect(throws: SQLError.self) { try block.requireRunnable() }
    var isRefused = false
    do { _ = try block.begin(tag: "BEGIN") } catch { isRefused = true }
    #expect(isRefused)
    // COMMIT of a failed block says what happened.
    let step4 = block.commit()
    #expect(step4 == .init(.rollBack, "ROLLBACK"))
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
    let step5 = block.fail()
    #expect(step5 == .rollBack)
    let step6 = block.endMessage()
    #expect(step6 == .nothing)
    block.enterImplicit()
    let step7 = block.endMessage()
    #expect(step7 == .commit)
    #expect(block.state == .idle)
  }

  @Test func beginTakesOverTheImplicitTransaction() throws {
    var block = TransactionBlock()
    block.enterImplicit()
    let step8 = try block.begin(tag: "BEGIN")
    #expect(step8.action == .start)
    let step9 = block.endMessage()
    #expect(step9 == .nothing)
    #expect(block.state == .open)
  }

  @Test func endsWithoutABeginningOnlyWarn() throws {
    var block = TransactionBlock()
    let step10 = block.commit()
    #expect(step10.warning?.state == .noActiveTransaction)
    let step11 = block.rollBack()
    #expect(step11.warning?.state == .noActiveTransaction)
    _ = try block.begin(tag: "BEGIN")
    let step12 = try block.begin(tag: "BEGIN")
    #expect(step12.warning?.state == .activeTransaction)
  }
}
