import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct SequencePlanTests {
  private func create(_ name: String, _ options: SequenceOptions = SequenceOptions()) -> SchemaStatement {
    .createSequence(ObjectName(name: name), ifNotExists: false, options)
  }

  private func drop(_ name: String, isCascade: Bool = false) -> SchemaStatement {
    .dropSequences(names: [ObjectName(name: name)], ifExists: false, isCascade: isCascade)
  }

  private func serial(_ name: String, identity: IdentityKind? = nil, type: SQLType = .int4) -> ColumnDefinition {
    ColumnDefinition(name: name, type: type, generator: ColumnGenerator(identity: identity))
  }

  private func options(_ set: (inout SequenceOptions) -> Void) -> SequenceOptions {
    var options = SequenceOptions()
    set(&options)
    return options
  }

  private func sequence(_ name: String, in world: World) -> SequenceDescriptor? {
    world.catalog.sequence(named: name)?.sequence
  }

  private func state(of body: () throws -> Void) -> String? {
    do { try body() } catch { return (error as? SQLError)?.state.code }
    return nil
  }

  @Test func oneEntryMakesASequenceWithItsRange() throws {
    var world = World()
    let plan = try world.plan(create("s"))
    #expect(plan.isInstant)
    #expect(plan.stages[0].newRanges.count == 1)
    for stage in plan.stages { try world.apply(stage) }
    #expect(sequence("s", in: world) == SequenceDescriptor())
    #expect(world.table("s") == nil)
    #expect(world.catalog.relation(RelationName(name: "s")) != nil)
    #expect(state { try world.run(create("s")) } == "42P07")
    #expect(state { try world.run(createTable("s", [column("id")])) } == "42P07")
  }

  @Test func optionsAreCheckedAsPostgreSQLDoes() throws {
    let wrong: [(options: SequenceOptions, message: String)] = [
      (options { $0.increment = 0 }, "INCREMENT must not be zero"),
      (options { $0.cache = 0 }, "CACHE (0) must be greater than zero"),
      (options { $0.start = 0 }, "START value (0) cannot be less than MINVALUE (1)"),
      (
        options {
          $0.start = 9
          $0.maximum = .value(8)
        }, "START value (9) cannot be greater than MAXVALUE (8)"
      ),
      (options { $0.maximum = .value(1) }, "MINVALUE (1) must be less than MAXVALUE (1)"),
      (
        options {
          $0.type = .int2
          $0.maximum = .value(40_000)
        }, "MAXVALUE (40000) is out of range for sequence data type smallint"
      ),
      (options { $0.type = .text }, "sequence type must be smallint, integer, or bigint"),
    ]
    for row in wrong {
      var world = World()
      #expect(throws: SQLError(.invalidParameterValue, row.message)) { try world.run(create("s", row.options)) }
    }
    var world = World()
    try world.run(
      create(
        "d",
        options {
          $0.increment = -1
          $0.type = .int2
        }))
    let descending = sequence("d", in: world)
    #expect(descending?.maximum == -1 && descending?.minimum == -32_768 && descending?.start == -1)
  }

  @Test func alteringVoidsWhatIsBeingTaken() throws {
    var world = World()
    try world.run(create("s", options { $0.type = .int4 }))
    let before = world.catalog.sequence(named: "s")
    try world.run(
      .alterSequence(
        ObjectName(name: "s"), ifExists: false,
        options {
          $0.type = .int8
          $0.restart = .value(7, isCalled: true)
        }))
    let after = world.catalog.sequence(named: "s")
    #expect(after?.sequence?.maximum == .max)
    #expect(after?.sequence?.generation == 2)
    #expect(after?.sequence?.initialState == SequenceState(lastValue: 7, isCalled: true))
    #expect(after?.commitFloor == after?.version && after?.version == before?.version.next)
    try world.run(
      .alterSequence(ObjectName(name: "s"), ifExists: false, options { $0.increment = 2 }))
    #expect(sequence("s", in: world)?.generation == 2)
    #expect(
      state {
        try world.run(
          .alterSequence(ObjectName(name: "s"), ifExists: false, options { $0.restart = .value(0, isCalled: false) }))
      } == "22023")
  }

  @Test func aColumnBringsItsSequenceAndTakesItAlong() throws {
    var world = World()
    try world.run(create("t_id_seq"))
    let plan = try world.plan(createTable("t", [serial("id"), serial("k", identity: .always, type: .int2)]))
    #expect(plan.isInstant)
    #expect(plan.stages[0].changes.count == 3)
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    let own = try #require(world.catalog.sequence(named: "t_id_seq1"))
    #expect(own.sequence?.type == .int4 && own.sequence?.maximum == Int64(Int32.max))
    #expect(own.sequence?.cache == SchemaLimits.generatedSequenceCache)
    #expect(own.sequence?.owner == SequenceOwner(table: table.id, column: ColumnID(1)))
    #expect(table.columns[0].sequences == [own.id] && table.columns[0].defaultExpression != nil)
    #expect(!table.columns[0].isNullable && !table.columns[1].isNullable)
    #expect(table.columns[1].identity == .always)
    #expect(sequence("t_k_seq", in: world)?.owner?.isIdentity == true)

    #expect(state { try world.run(drop("t_id_seq1")) } == "2BP01")
    #expect(state { try world.run(drop("t_k_seq", isCascade: true)) } == "2BP01")
    #expect(state { try world.run(alter("t", .setDefault(column: "k", expression: nil, text: nil))) } == "42601")
    try world.run(alter("t", .dropColumn(name: "k", ifExists: false)))
    #expect(world.catalog.sequence(named: "t_k_seq") == nil)

    let dropping = try world.plan(.dropTables(names: [ObjectName(name: "t")], ifExists: false))
    #expect(dropping.stages.last?.retiredRanges.count == 2)
    for stage in dropping.stages { try world.apply(stage) }
    #expect(world.catalog.tables.map(\.name) == ["t_id_seq"])
  }

  @Test func cascadeTakesTheDefaultsThatUseIt() throws {
    var world = World()
    try world.run(create("s"))
    let id = try #require(world.catalog.sequence(named: "s")?.id)
    var definition = column("a")
    definition.defaultExpression = [1]
    definition.sequences = [id]
    try world.run(createTable("t", [column("id"), definition]))
    #expect(state { try world.run(drop("s")) } == "2BP01")
    let plan = try world.plan(drop("s", isCascade: true))
    #expect(plan.notices == ["drop cascades to default value for column a of table t"])
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("t")?.columns[1].defaultExpression == nil)
    #expect(world.table("t")?.columns[1].sequences.isEmpty == true)
    #expect(world.catalog.tables.map(\.name) == ["t"])
    // One that is gone by the time.
    #expect(
      state {
        try world.run(alter("t", .setDefault(column: "a", expression: [1], text: nil, sequences: [id])))
      } == "40001")
  }

  @Test func aSequenceOfAnotherTablesDefaultStopsTheDropOfItsOwner() throws {
    var world = World()
    try world.run(createTable("t", [serial("id")]))
    let id = try #require(world.catalog.sequence(named: "t_id_seq")?.id)
    var definition = column("a")
    definition.defaultExpression = [1]
    definition.sequences = [id]
    try world.run(createTable("u", [column("id"), definition]))
    #expect(state { try world.run(.dropTables(names: [ObjectName(name: "t")], ifExists: false)) } == "2BP01")
    #expect(state { try world.run(alter("t", .dropColumn(name: "id", ifExists: false))) } == "0A000")
    try world.run(.dropTables(names: [ObjectName(name: "t")], ifExists: false, isCascade: true))
    #expect(world.table("u")?.columns[1].defaultExpression == nil)
  }

  @Test func kindsAreNotTakenForOneAnother() throws {
    var world = World()
    try world.run(create("s"))
    try world.run(createTable("t", [column("id")]))
    #expect(state { try world.run(drop("t")) } == "42809")
    #expect(state { try world.run(drop("t_pkey")) } == "42809")
    #expect(state { try world.run(.dropTables(names: [ObjectName(name: "s")], ifExists: false)) } == "42809")
    #expect(state { try world.run(alter("s", .dropColumn(name: "last_value", ifExists: false))) } == "42809")
    #expect(state { try world.run(createIndex(nil, on: "s", ["last_value"])) } == "42809")
    #expect(state { try world.run(.renameSequence(ObjectName(name: "t"), to: "x", ifExists: false)) } == "42809")
    try world.run(.renameSequence(ObjectName(name: "s"), to: "x", ifExists: false))
    #expect(sequence("x", in: world) != nil)
    #expect(Planner.tables(of: drop("x"), in: world.catalog, .defaultDatabase).count == 1)
  }

  @Test func ownershipFollowsTheStatement() throws {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a")]))
    try world.run(
      create("s", options { $0.owner = .column(table: ObjectName(name: "t"), name: "a") }))
    #expect(sequence("s", in: world)?.owner?.column == ColumnID(2))
    try world.run(
      .alterSequence(ObjectName(name: "s"), ifExists: false, options { $0.owner = SequenceOptions.Owner.none }))
    #expect(sequence("s", in: world)?.owner == nil)
    #expect(
      state {
        try world.run(create("r", options { $0.owner = .column(table: ObjectName(name: "t"), name: "nope") }))
      } == "42703")
  }

  @Test func statementsRoundTrip() throws {
    let everything = options {
      $0.type = .int2
      $0.increment = -3
      $0.minimum = .value(-9)
      $0.maximum = SequenceOptions.Bound.none
      $0.start = -4
      $0.restart = .value(-5, isCalled: true)
      $0.cache = 7
      $0.isCycling = false
      $0.owner = .column(table: ObjectName(name: "t"), name: "a")
    }
    let statements: [SchemaStatement] = [
      create("s", everything), create("s"),
      .alterSequence(ObjectName(name: "s"), ifExists: true, options { $0.restart = .atStart }),
      .alterSequence(ObjectName(name: "s"), ifExists: false, options { $0.owner = SequenceOptions.Owner.none }),
      .renameSequence(ObjectName(name: "s"), to: "x", ifExists: true), drop("s", isCascade: true),
      .dropTables(names: [ObjectName(name: "t")], ifExists: true, isCascade: true),
      createTable("t", [serial("id", identity: .byDefault)]),
      alter("t", .setDefault(column: "a", expression: [1], text: nil, sequences: [TableID(1), TableID(4)])),
    ]
    for statement in statements { #expect(try SchemaStatement(decoding: statement.encoded()) == statement) }
    let edit = DescriptorEdit.setSequence(SequenceDescriptor(cache: 5))
    var writer = ByteWriter()
    edit.encode(into: &writer)
    #expect(try DescriptorEdit(decoding: writer.bytes[...]) == edit)
  }
}
