import Basics
import Catalog
import SQLExpressions
import SQLValues
import SchemaChange

/// A statement ready to be executed, any number of times, as long as `tables` are at these versions (and the catalog at
/// `catalogIndex`, if the plan names one).
public struct StatementPlan: Hashable, Sendable {
  public enum Action: Hashable, Sendable {
    case query(QueryPlan)
    case insert(InsertPlan)
    case update(UpdatePlan)
    case delete(DeletePlan)
    case schemaChange(SchemaStatement)
    case createTableAs(CreateTableAsPlan)
    /// The lines are the answer.
    case explain(lines: [String])
    case explainSchemaChange(SchemaStatement)
    case checkTable(TableDescriptor)
  }

  public var action: Action
  /// Of the client's parameters, `$1` first; never `unknown`.
  public var parameterTypes: [SQLType]
  /// nil: the statement yields no rows.
  public var resultColumns: [ResultColumn]?
  /// Computed in this order before the action; each fills a parameter slot that later ones and the action may read.
  public var preliminaryQueries: [PreliminaryQuery]
  /// Client parameters plus slots.
  public var slotCount: Int
  /// The tables used, to pin: without repetition, by id.
  public var tables: [TableUse]
  /// Set if the plan holds what it found in the catalog (system catalogs, names missing with IF EXISTS): valid at that schema index only.
  public var catalogIndex: SchemaIndex?
  public var liveInput: LiveInput?
  /// Names of schemas and the schemas of the search path are what they are until the next index of this kind.
  public var namespacesIndex = SchemaIndex.zero
  /// Where the search path led to nothing before it led to a table that the plan uses.
  public var absentNames: [RelationName] = []
  /// The same of types.
  public var absentTypeNames: [RelationName] = []

  public init(
    action: Action, parameterTypes: [SQLType] = [], resultColumns: [ResultColumn]? = nil,
    preliminaryQueries: [PreliminaryQuery] = [], slotCount: Int = 0, tables: [TableUse] = [],
    catalogIndex: SchemaIndex? = nil
  ) {
    self.action = action
    self.parameterTypes = parameterTypes
    self.resultColumns = resultColumns
    self.preliminaryQueries = preliminaryQueries
    self.slotCount = slotCount
    self.tables = tables
    self.catalogIndex = catalogIndex
  }

  /// Whether the plan may be used with this catalog.
  public func isValid(in catalog: CatalogView) -> Bool {
    // What it holds of the present is past.
    if liveInput == .indexBuilds { return false }
    if let catalogIndex, catalogIndex != catalog.schemaIndex { return false }
    if namespacesIndex != catalog.namespacesIndex || absentNames.contains(where: { catalog.relation($0) != nil }) {
      return false
    }
    if absentTypeNames.contains(where: { catalog.type($0) != nil }) { return false }
    return tables.allSatisfy { use in
      guard let table = catalog.table(id: use.tableID) else { return false }
      return table.version == use.version && table.state == .public
    }
  }

  /// Changes nothing and locks nothing.
  public var isReadOnly: Bool {
    switch action {
    case .query(let plan): !plan.locksRows
    case .insert, .update, .delete, .schemaChange, .createTableAs: false
    case .explain, .explainSchemaChange, .checkTable: true
    }
  }
}

public struct TableUse: Hashable, Sendable {
  public var tableID: TableID
  public var version: TableVersion
  public var isWritten: Bool

  public init(tableID: TableID, version: TableVersion, isWritten: Bool) {
    self.tableID = tableID
    self.version = version
    self.isWritten = isWritten
  }
}

public struct ResultColumn: Hashable, Sendable {
  public var name: String
  public var type: SQLType
  /// The table column it shows unchanged, if it does.
  public var tableID: TableID?
  /// Counted from 1.
  public var columnNumber: Int?

  public init(name: String, type: SQLType, tableID: TableID? = nil, columnNumber: Int? = nil) {
    self.name = name
    self.type = type
    self.tableID = tableID
    self.columnNumber = columnNumber
  }
}

/// An uncorrelated subquery whose value the statement uses as a parameter.
public struct PreliminaryQuery: Hashable, Sendable {
  public enum Result: Hashable, Sendable {
    /// As `ApplyPlan.Result.scalar`.
    case scalar
    case exists
  }
  public var slot: Int
  public var plan: QueryPlan
  public var result: Result

  public init(slot: Int, plan: QueryPlan, result: Result) {
    self.slot = slot
    self.plan = plan
    self.result = result
  }
}

extension QueryPlan {
  /// Whether any part of it takes row locks.
  public var locksRows: Bool {
    switch self {
    case .lockRows: true
    case .scan, .values, .series: false
    case .filter(let input, _), .project(let input, _), .limit(let input, _, _), .distinct(let input): input.locksRows
    case .hashJoin(let join): join.left.locksRows || join.right.locksRows
    case .nestedLoopJoin(let join): join.left.locksRows || join.right.locksRows
    case .lookupJoin(let join): join.left.locksRows
    case .apply(let apply): apply.input.locksRows || apply.subquery.locksRows
    case .setProjection(let sets): sets.input.locksRows
    case .aggregate(let aggregate): aggregate.input.locksRows
    case .sort(let sort): sort.input.locksRows
    case .append(let inputs): inputs.contains { $0.locksRows }
    }
  }
}
