import Basics
import Testing
import Verification

@Suite struct LinearizabilityTests {
  func findings(_ operations: [Operation<RegisterAction>], initially value: Int? = 0) -> [Finding] {
    LinearizabilityCheck(initialValue: value).findings(History(operations))
  }

  func read(_ value: Int?) -> RegisterAction { RegisterAction(key: 1, .read(value)) }
  func update(_ value: Int, isApplied: Bool = true) -> RegisterAction {
    RegisterAction(key: 1, .update(value), isApplied: isApplied)
  }
  func compareAndSet(_ expected: Int, _ new: Int, isApplied: Bool = true) -> RegisterAction {
    RegisterAction(key: 1, .compareAndSet(expected: expected, new: new), isApplied: isApplied)
  }

  @Test func oneAfterTheOther() {
    #expect(
      findings([
        operation(0, 0, 1, read(0)), operation(0, 2, 3, update(5)), operation(1, 4, 5, read(5)),
        operation(1, 6, 7, compareAndSet(5, 6)), operation(0, 8, 9, compareAndSet(5, 7, isApplied: false)),
        operation(0, 10, 11, RegisterAction(key: 1, .delete)), operation(0, 12, 13, read(nil)),
        operation(0, 14, 15, update(8, isApplied: false)), operation(1, 16, 17, RegisterAction(key: 1, .insert(9))),
        operation(1, 18, 19, RegisterAction(key: 1, .insert(10), isApplied: false)), operation(1, 20, 21, read(9)),
      ]) == [])
  }

  @Test func overlappingOperationsMayHaveEitherOrder() {
    #expect(
      findings([
        operation(0, 0, 10, update(1)), operation(1, 0, 10, update(2)), operation(2, 1, 2, read(2)),
        operation(2, 3, 4, read(1)), operation(3, 11, 12, read(1)),
      ]) == [])
  }

  @Test func staleReadIsFound() {
    let found = findings([
      operation(0, 0, 1, update(5)), operation(1, 2, 3, read(0)), operation(1, 4, 5, read(5)),
    ])
    #expect(found.count == 1)
    #expect(found.first?.sentence.contains("read 1 -> 0") == true)
    #expect(found.first?.operations.contains { $0.contains("update 1 to 5") } == true)
  }

  @Test func readsThatGoBackAreFound() {
    #expect(
      findings([
        operation(0, 0, 10, update(5)), operation(1, 1, 2, read(5)), operation(1, 3, 4, read(0)),
      ]).count == 1)
  }

  @Test func lostUpdateIsFound() {
    #expect(
      findings([
        operation(0, 0, 5, compareAndSet(0, 1)), operation(1, 0, 5, compareAndSet(0, 2)),
      ]).count == 1)
  }

  @Test func unknownWritesMayComeLateOrNever() {
    let unknown = operation(0, 0, 1, update(5), .unknown("lost"))
    #expect(findings([unknown, operation(1, 2, 3, read(0)), operation(1, 4, 5, read(5))]) == [])
    #expect(findings([unknown, operation(1, 2, 3, read(0)), operation(1, 40, 50, read(0))]) == [])
    // But not twice.
    #expect(
      findings([
        unknown, operation(1, 2, 3, read(5)), operation(1, 4, 5, update(6)), operation(1, 6, 7, read(5)),
      ]).count == 1)
  }

  @Test func anUnknownWriteCanExplainARefusedComparison() {
    #expect(
      findings([
        operation(0, 0, 1, update(5), .unknown("lost")), operation(1, 2, 3, compareAndSet(0, 7, isApplied: false)),
      ]) == [])
    #expect(findings([operation(1, 2, 3, compareAndSet(0, 7, isApplied: false))]).count == 1)
  }

  @Test func failedWritesMustNotBeSeen() {
    #expect(
      findings([operation(0, 0, 1, update(5), .failed("40001")), operation(1, 2, 3, read(5))]).count == 1)
  }

  @Test func rowThatNobodyInsertedIsFound() {
    #expect(findings([operation(1, 2, 3, read(0))], initially: nil).count == 1)
  }

  @Test func keysAreIndependentAndFindingsSorted() {
    let found = findings([
      operation(0, 0, 1, RegisterAction(key: 3, .read(1))), operation(0, 2, 3, RegisterAction(key: 2, .read(1))),
      operation(0, 4, 5, RegisterAction(key: 1, .read(0))),
    ])
    #expect(found.map { $0.sentence.contains("key 2") } == [true, false])
  }

  /// A correct register under many clients, some of whose answers are lost.
  @Test(arguments: UInt64(0)..<6) func thousandsOfOperationsAreDecidedQuickly(seed: UInt64) {
    let operations = Self.randomHistory(seed: seed, clients: 10, count: 3000)
    #expect(findings(operations) == [])
    // The same with one read of a value that was overwritten long before.
    var broken = operations
    let reads = broken.indices.filter { index in
      if case .read(let value) = broken[index].action.kind { value != nil && index > 2000 } else { false }
    }
    broken[reads[0]].action.kind = .read(0)
    #expect(findings(broken).count == 1)
  }

  static func randomHistory(seed: UInt64, clients: Int, count: Int) -> [Operation<RegisterAction>] {
    var random = SeededGenerator(seed: seed)
    var value: Int? = 0
    var operations: [Operation<RegisterAction>] = []
    var free = Array(repeating: UInt64(0), count: clients)
    for number in 1...count {
      // Effects happen in the order of `number`, each somewhere within its operation.
      let effect = UInt64(number) * 1000
      let client = Int.random(in: 0..<clients, using: &random)
      let invoked = max(free[client], effect - min(effect, UInt64.random(in: 0...3000, using: &random)))
      guard invoked <= effect else { continue }
      let completed = effect + UInt64.random(in: 0...3000, using: &random)
      free[client] = completed + 1
      var action: RegisterAction
      switch Int.random(in: 0..<4, using: &random) {
      case 0: action = RegisterAction(key: 1, .read(value))
      case 1: action = RegisterAction(key: 1, .update(number))
      case 2: action = RegisterAction(key: 1, .compareAndSet(expected: value ?? 0, new: number))
      default: action = RegisterAction(key: 1, .insert(number), isApplied: false)
      }
      var outcome = Outcome.ok
      var happens = true
      if Int.random(in: 0..<20, using: &random) == 0 {
        outcome = .unknown("lost")
        happens = Bool.random(using: &random)
      }
      if happens, action.isApplied {
        switch action.kind {
        case .update(let new), .compareAndSet(_, let new): value = new
        case .read, .insert, .delete: break
        }
      }
      operations.append(
        Operation(
          client: client, number: number, invoked: invoked, completed: completed, outcome: outcome, action: action))
    }
    return operations
  }
}
