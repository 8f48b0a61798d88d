import Basics
import Catalog
import Metadata
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// Schema log, catalog, jobs, and the commands and checkpoints of the metadata service.
let schemaTargets: [FuzzTarget] = [
  FuzzTarget("schema-entry", seeds: { [fuzzEntry.encoded()] }) { bytes in
    checkRecord(bytes) { bytes throws(MalformedBytes) in
      try SchemaEntry(decoding: bytes)
    } encode: {
      $0.encoded()
    }
    guard let entry = try? SchemaEntry(decoding: bytes) else { return }
    var catalog = fuzzCatalog
    let before = catalog.encoded()
    guard (try? catalog.apply(entry)) != nil else {
      return require(catalog.encoded() == before, "a refused entry changes nothing")
    }
    require((try? CatalogState(decoding: catalog.encoded()))?.encoded() == catalog.encoded(), "a catalog is kept whole")
  },
  FuzzTarget("catalog", seeds: { [fuzzCatalog.encoded()] }) { bytes in
    checkRecord(bytes) { bytes throws(MalformedBytes) in
      try CatalogState(decoding: bytes)
    } encode: {
      $0.encoded()
    }
  },
  FuzzTarget(
    "schema-statement", seeds: { (fuzzStatements + fuzzTransactions).map { $0.encoded() } }, run: runStatement),
  FuzzTarget("stored-query", seeds: { [fuzzQuery.encoded()] }) { bytes in
    guard let query = try? SelectStatement.decode(bytes).query else { return }
    require((try? SelectStatement.decode(query.encoded()))?.query == query, "\(query) is written and read again")
  },
  FuzzTarget("job-record", seeds: { [fuzzJob.encoded()] }) { bytes in
    checkRecord(bytes) { bytes throws(MalformedBytes) in
      try JobRecord(decoding: bytes)
    } encode: {
      $0.encoded()
    }
    guard var job = try? JobRecord(decoding: bytes) else { return }
    _ = (job.currentStage, job.nextStage, job.canTurnBack, job.compacted)
    job.fail(SQLError(.internalError, "failed"), at: 5)
  },
  FuzzTarget("metadata-command", seeds: { fuzzCommands.map { $0.encoded() } }, run: runMetadataCommand),
  FuzzTarget("metadata-state", seeds: { [fuzzMetadata.encoded()] }) { bytes in
    checkRecord(bytes) { bytes throws(MalformedBytes) in
      try MetadataState(decoding: bytes)
    } encode: {
      $0.encoded()
    }
  },
]

/// What decodes is written to bytes that decode to the same, and to the same bytes for ever after.
private func checkRecord<Record>(
  _ bytes: [UInt8], decode: ([UInt8]) throws(MalformedBytes) -> Record, encode: (Record) -> [UInt8]
) {
  guard let record = try? decode(bytes) else { return }
  let written = encode(record)
  guard let again = try? decode(written) else { return require(false, "\(Record.self) cannot read what it wrote") }
  require(encode(again) == written, "\(record) is written and read again")
}

private func runStatement(_ bytes: [UInt8]) {
  guard let statement = try? SchemaStatement(decoding: bytes) else { return }
  // By their bytes: a default may be NaN, which equals nothing.
  require(
    (try? SchemaStatement(decoding: statement.encoded()))?.encoded() == statement.encoded(),
    "\(statement) is written and read again")
  var planner = Planner(fuzzContext)
  let plan: Plan
  do throws(SQLError) { plan = try planner.plan(statement) } catch {
    // A client's mistake, not the planner's; nor does a transaction lead elsewhere than its statements.
    let isOurs = error.state == .internalError || error.message.contains("this combination of schema changes")
    return require(!isOurs, "\(statement): \(error)")
  }
  // A plan made here can be carried out, and its job survives a restart.
  var job = fuzzJob
  job.plan = plan
  require(
    (try? JobRecord(decoding: job.encoded()))?.encoded() == job.encoded(),
    "the job of \(statement) is written and read again")
  var catalog = fuzzCatalog
  for stage in plan.stages {
    do {
      try catalog.apply(
        try stage.entry(in: catalog, timestamp: Timestamp(rawValue: catalog.timestamp.rawValue + 1)))
    } catch {
      return require(false, "stage \(stage.name) of \(statement): \(error)")
    }
  }
}

private func runMetadataCommand(_ bytes: [UInt8]) {
  guard let command = try? MetadataCommand(decoding: bytes) else { return }
  require(
    (try? MetadataCommand(decoding: command.encoded()))?.encoded() == command.encoded(),
    "\(command) is written and read again")
  var state = fuzzMetadata
  let isApplied = (try? state.apply(command)) != nil
  let written = state.encoded()
  if !isApplied { require(written == fuzzMetadata.encoded(), "a refused command changes nothing") }
  require((try? MetadataState(decoding: written))?.encoded() == written, "a state is kept whole")
  _ = (state.entries(after: .zero), state.newestJobs(3))
}

// MARK: - Seeds

/// t(id int8 primary key, name text not null default 'x', price numeric(10,2)), t_name_idx (name desc).
let fuzzTable = TableDescriptor(
  id: TableID(11), databaseID: .defaultDatabase, name: "t", version: TableVersion(1),
  columns: [
    ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
    ColumnDescriptor(
      id: ColumnID(2), name: "name", type: .text, isNullable: false,
      defaultExpression: Expression.constant(.text("x"), .text).encoded, missingValue: .text("x")),
    ColumnDescriptor(id: ColumnID(3), name: "price", type: .numeric(precision: 10, scale: 2)),
  ],
  indexes: [
    IndexDescriptor(
      id: IndexID(1), name: "t_pkey", isUnique: true, state: .public,
      keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
      storedColumns: [], rangeID: RangeID(1)),
    IndexDescriptor(
      id: IndexID(2), name: "t_name_idx", isUnique: false, state: .public,
      keyColumns: [IndexKeyColumn(columnID: ColumnID(2), isDescending: true)], storedColumns: [ColumnID(3)],
      rangeID: RangeID(2)),
  ], nextColumnID: ColumnID(4), nextIndexID: IndexID(3), commitFloor: TableVersion(1))

private let firstEntry = SchemaEntry(
  index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
  changes: [
    TableChange(
      tableID: fuzzTable.id, from: .none, to: fuzzTable.version, commitFloor: fuzzTable.commitFloor,
      descriptor: fuzzTable),
    TableChange(
      tableID: fuzzSequence.id, from: .none, to: fuzzSequence.version, commitFloor: fuzzSequence.commitFloor,
      descriptor: fuzzSequence),
  ],
  newRanges: [
    RangeDescriptor(id: RangeID(1), epoch: 1, startKey: [1], endKey: [2], replicas: [NodeID(101), NodeID(102)])
  ])

private let fuzzSequence = TableDescriptor(
  sequence: SequenceDescriptor(
    type: .int4, maximum: 1_000, owner: SequenceOwner(table: fuzzTable.id, column: fuzzTable.columns[0].id)),
  id: TableID(12), databaseID: .defaultDatabase, namespaceID: .public, name: "s", range: RangeID(3))

let fuzzCatalog: CatalogState = {
  var catalog = CatalogState()
  do { try catalog.apply(firstEntry) } catch { fatalError("\(error)") }
  return catalog
}()

private let fuzzEntry: SchemaEntry = {
  var table = fuzzTable
  table.version = TableVersion(2)
  table.name = "renamed"
  var entry = SchemaEntry(
    index: SchemaIndex(2), timestamp: Timestamp(rawValue: 2), databaseID: .defaultDatabase,
    changes: [
      TableChange(
        tableID: table.id, from: fuzzTable.version, to: table.version, commitFloor: table.commitFloor, descriptor: table
      )
    ])
  entry.operationID = OperationID("release-17")
  entry.jobID = JobID(1)
  entry.removedRanges = [RangeID(2)]
  let namespace = NamespaceDescriptor(id: NamespaceID(9), databaseID: .defaultDatabase, name: "app", comment: "a note")
  entry.namespaceChanges = [NamespaceChange(id: namespace.id, from: .none, descriptor: namespace)]
  entry.databaseChanges = [
    DatabaseDescriptor(id: .defaultDatabase, name: "defaultdb", version: DescriptorVersion(2), comment: "a note"),
    DatabaseDescriptor(id: DatabaseID(12), name: "other"),
  ]
  return entry
}()

private let fuzzContext = PlanningContext(
  catalog: fuzzCatalog, nextTableID: TableID(20), nextRangeID: RangeID(30),
  storageNodes: [NodeID(101), NodeID(102), NodeID(103)], replicationFactor: 3)

/// What a view stores: `SELECT t.name AS n FROM t WHERE t.name LIKE 'x%' OR EXISTS (SELECT 1 AS one)`.
private let fuzzQuery: SelectStatement = {
  let name = ExpressionSyntax(.column(["t", StoredQuery.columnName(0)]))
  let like = ExpressionSyntax(
    .like(name, pattern: ExpressionSyntax(.string("x%")), escape: nil, ignoringCase: false, negated: false))
  let one = SelectStatement(
    body: .select(SelectCore(targets: [SelectTarget(ExpressionSyntax(.integer(1)), alias: "one")])))
  return SelectStatement(
    body: .select(
      SelectCore(
        targets: [SelectTarget(name, alias: "n")],
        from: [.dependency(0, alias: TableAlias(name: "t"), hasOwnName: false)],
        filter: ExpressionSyntax(.or([like, ExpressionSyntax(.exists(one))])))),
    orderBy: [SortKeySyntax(name, isDescending: true)], limit: ExpressionSyntax(.integer(3)))
}()

private let fuzzStatements: [SchemaStatement] = {
  let t = ObjectName(name: "t")
  let column = ColumnDefinition(
    name: "c", type: .varchar(maximumCharacters: 7), isNullable: false,
    defaultExpression: Expression.constant(.text("d"), .text).encoded, defaultText: "'d'", constantDefault: .text("d"))
  var options = SequenceOptions()
  options.type = .int2
  options.increment = -2
  options.minimum = .value(-100)
  options.maximum = SequenceOptions.Bound.none
  options.restart = .value(-7, isCalled: true)
  options.cache = 5
  options.owner = .column(table: t, name: "name")
  let identity = ColumnDefinition(
    name: "i", type: .int4, generator: ColumnGenerator(identity: .always, options: SequenceOptions()))
  let uses = ColumnDefinition(
    name: "u", type: .int8, defaultExpression: Expression.nextValue(ofSequence: 12, as: .int8).encoded,
    sequences: [TableID(12)])
  return [
    .comment(CommentStatement(.column(t, "name"), text: "a note")),
    .comment(CommentStatement(.index(ObjectName(name: "t_name_idx")), text: nil)),
    .comment(CommentStatement(.schema("public"), text: "a note")),
    .comment(CommentStatement(.database("defaultdb"), text: "a note")),
    .comment(CommentStatement(.view(ObjectName(name: "seen")), text: "a note")),
    .view(
      .create(
        CreateView(
          name: ObjectName(name: "seen"), isReplacing: true, columns: [.init(name: "n", type: .text)],
          query: fuzzQuery.encoded(),
          dependencies: [.init(relation: t, id: TableID(10), columns: [.init(name: "name", type: .text)])]))),
    .view(.drop(names: [ObjectName(name: "seen")], ifExists: true, isCascade: true)),
    .view(.rename(ObjectName(name: "seen"), to: "told", ifExists: true)),
    .view(.renameColumn(ObjectName(name: "seen"), "n", to: "m", ifExists: true)),
    .database(.create("other", ifNotExists: true)), .database(.drop("other", ifExists: true)),
    .database(.rename("other", to: "another")),
    .namespace(.create("app", ifNotExists: true)), .namespace(.rename("public", to: "app")),
    .namespace(.drop(["public"], ifExists: true, isCascade: true)),
    .setSchema(
      SetSchemaStatement(
        relation: ObjectName(schema: "public", name: "t", isFromSearchPath: true), isSequence: false, ifExists: true,
        schema: "public")),
    .createTable(
      CreateTable(
        name: ObjectName(name: "n"), ifNotExists: true, columns: [column, ColumnDefinition(name: "k", type: .int8)],
        primaryKey: ["c"], primaryKeyName: "n_key", uniqueConstraints: [UniqueConstraint(name: nil, columns: ["k"])])),
    .dropTables(names: [t], ifExists: true), .renameTable(t, to: "u", ifExists: false),
    .alterTable(
      t, ifExists: false,
      changes: [
        .addColumn(column, ifNotExists: true), .dropColumn(name: "price", ifExists: false),
        .renameColumn(name: "name", to: "title"),
      ]),
    .createIndex(
      CreateIndex(
        name: nil, ifNotExists: false, table: t, isUnique: true,
        keyColumns: [IndexColumnDefinition(columnName: "price", isDescending: true)], storedColumns: ["name"])),
    .createIndex(
      CreateIndex(
        name: "some", ifNotExists: true, table: t, isUnique: false,
        keyColumns: [IndexColumnDefinition(columnName: "price")],
        predicate: RowExpressionDefinition(
          columns: [.init(name: "name", type: .text)], expression: Expression.not(.isNull(.column(0, .text))).encoded),
        isVisible: false)),
    .createIndex(
      CreateIndex(
        name: nil, ifNotExists: false, table: t, isUnique: true,
        keyColumns: [
          IndexColumnDefinition(
            columnName: "lower", isDescending: true,
            expression: IndexExpressionDefinition(
              value: RowExpressionDefinition(
                columns: [.init(name: "name", type: .text)],
                expression: Expression.call(.lower, [.column(0, .text)], .text).encoded), type: .text,
              text: "lower(name)"))
        ])),
    .setIndexVisibility(ObjectName(name: "t_name_idx"), ifExists: false, isVisible: false),
    .dropIndexes(names: [ObjectName(name: "t_name_idx")], ifExists: false),
    .renameIndex(ObjectName(name: "t_name_idx"), to: "i", ifExists: true),
    .truncateTables(names: [t]),
    .undrop(Undrop(.table, t, newName: "u")), .undrop(Undrop(.column, ObjectName(name: "price"), table: t)),
    .undrop(Undrop(.index, ObjectName(name: "i"))), .revertJob(JobID(7)),
    .alterTable(
      t, ifExists: false,
      changes: [
        .setType(
          TypeChange(
            column: "price", type: .text,
            conversion: RowExpressionDefinition(
              columns: [.init(name: "price", type: .numeric(precision: 10, scale: 2))],
              expression: Expression.cast(
                .column(0, .numeric(precision: 10, scale: 2)), from: .numeric(precision: 10, scale: 2), to: .text,
                isExplicit: false
              ).encoded), hasUsing: true))
      ]),
    .alterTable(
      t, ifExists: false,
      changes: [
        .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: "k", columns: ["name", "price"])),
      ]),
    .alterTable(
      t, ifExists: false,
      changes: [.addColumn(column, ifNotExists: false), .renameColumn(name: column.name, to: "title")]),
    .createSequence(ObjectName(name: "r"), ifNotExists: true, options),
    .alterSequence(ObjectName(name: "s"), ifExists: false, options),
    .renameSequence(ObjectName(name: "s"), to: "r", ifExists: true),
    .dropSequences(names: [ObjectName(name: "s")], ifExists: false, isCascade: true),
    .createTable(
      CreateTable(name: ObjectName(name: "n"), ifNotExists: false, columns: [identity, uses], primaryKey: ["i"])),
    .createTable(
      CreateTable(
        name: ObjectName(name: "n"), ifNotExists: false,
        columns: [ColumnDefinition(name: "k", type: .int8), ColumnDefinition(name: "up", type: .int4)],
        primaryKey: ["k"],
        foreignKeys: [
          ForeignKeyDefinition(name: "f", columns: ["k"], referencedTable: t, onDelete: .cascade, onUpdate: .setNull),
          ForeignKeyDefinition(
            name: nil, columns: ["up"], referencedTable: ObjectName(name: "n"), referencedColumns: ["k"],
            onDelete: .setDefault),
        ])),
    .alterTable(
      t, ifExists: false,
      changes: [
        .addColumn(ColumnDefinition(name: "up", type: .int8), ifNotExists: false),
        .addForeignKey(
          ForeignKeyDefinition(name: nil, columns: ["up"], referencedTable: t, onUpdate: .restrict),
          isValidated: true),
      ]),
  ]
}()

/// All that fit together, and pairs of them.
private let fuzzTransactions: [SchemaStatement] = {
  func transaction(_ statements: [SchemaStatement]) -> SchemaStatement {
    var draft = SchemaDraft(catalog: fuzzCatalog, databaseID: .defaultDatabase)
    for statement in statements { _ = try? draft.apply(statement) }
    return .transaction(draft.transaction)
  }
  let pairs = zip(fuzzStatements, fuzzStatements.dropFirst()).map { transaction([$0, $1]) }
  return [transaction(fuzzStatements), transaction(fuzzStatements.reversed())] + pairs
}()

private let fuzzJob: JobRecord = {
  var job = JobRecord(
    id: JobID(1), databaseID: .defaultDatabase, statementText: "CREATE INDEX ON t (price)", tableName: "t",
    state: .running)
  job.operationID = OperationID("release-17")
  job.tables = [TableID(11)]
  var planner = Planner(fuzzContext)
  job.plan = try? planner.plan(fuzzStatements[4])
  job.error = SQLError(.uniqueViolation, "duplicate", detail: "Key", tableName: "t")
  job.checkpoint = [1, 2, 3]
  job.history = [JobStep(name: "a", schemaIndex: SchemaIndex(1), startedMilliseconds: 1, finishedMilliseconds: 2)]
  return job
}()

private let fuzzCommands: [MetadataCommand] = [
  .initialize(clusterID: "c"), .reserveTimestamps(bound: Timestamp(rawValue: 1 << 40)),
  .register(NodeRecord(id: NodeID(201), name: "g", role: .gateway, epoch: SessionEpoch(1), isLive: true)),
  .endSession(NodeID(201), SessionEpoch(1)),
  .change(
    SchemaStep(
      entry: fuzzEntry, job: fuzzJob, retiredRanges: [RangeID(1)], nextTableID: TableID(12), nextRangeID: RangeID(3),
      wallMilliseconds: 9)),
  .change(fuzzStepBack),
]

/// A job begins that brings something back, and leaves its own way back.
private let fuzzStepBack: SchemaStep = {
  var step = SchemaStep(nextTableID: TableID(12), nextRangeID: RangeID(3), wallMilliseconds: 9)
  step.restoredRanges = [RangeID(1)]
  step.forgottenWaysBack = [JobID(4)]
  let table = firstEntry.changes.first?.descriptor
  step.wayBack = WayBack(
    job: JobID(1), databaseID: .defaultDatabase,
    tables: [
      WayBack.Table(id: TableID(11), before: table, after: nil, lastVersion: TableVersion(3)),
      WayBack.Table(id: TableID(12), before: table, after: table, lastVersion: TableVersion(4)),
    ], hasUsing: true)
  let namespace = NamespaceDescriptor(id: NamespaceID(13), databaseID: .defaultDatabase, name: "s", comment: "c")
  step.wayBack?.namespaces = [WayBack.Namespace(id: NamespaceID(13), before: namespace, after: nil)]
  return step
}()

let fuzzMetadata: MetadataState = {
  var state = MetadataState()
  let first = SchemaStep(
    entry: firstEntry, nextTableID: TableID(12), nextRangeID: RangeID(3), wallMilliseconds: 1)
  for command in [.change(first)] + fuzzCommands.prefix(4) + [.change(fuzzStepBack)] {
    do { try state.apply(command) } catch { fatalError("\(error)") }
  }
  return state
}()
