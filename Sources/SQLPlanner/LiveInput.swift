import SQLSyntax
import SQLValues

/// What a statement needs of the cluster's present state, beyond catalog and rows.
public enum LiveInput: Hashable, Sendable {
  /// The rows of `pg_stat_progress_create_index`: the plan has to be made with them (`PlannerSession.indexBuilds`).
  case indexBuilds
  /// `theseus.wait_for_schema_agreement(…)`: the query's only value is the timeout in milliseconds. What the client gets for it
  /// is the schema index that all have applied.
  case schemaAgreement
  /// See `SettingCall`.
  case settingChange
  case setting
}

/// An index build on its way: a row of `pg_stat_progress_create_index`.
public struct IndexBuild: Hashable, Sendable {
  /// Stands for PostgreSQL's process id.
  public var job: Int64
  public var table: Int64
  public var phase: String
  public var lockersTotal: Int64
  public var tuplesTotal: Int64
  public var tuplesDone: Int64

  public init(
    job: Int64, table: Int64, phase: String, lockersTotal: Int64, tuplesTotal: Int64, tuplesDone: Int64
  ) {
    self.job = job
    self.table = table
    self.phase = phase
    self.lockersTotal = lockersTotal
    self.tuplesTotal = tuplesTotal
    self.tuplesDone = tuplesDone
  }
}

/// A query that is nothing but `SELECT theseus.wait_for_schema_agreement([timeout])`.
enum SchemaAgreementCall {
  static let defaultTimeoutMilliseconds: Int32 = 30_000
  private static let names = [["theseus", "wait_for_schema_agreement"], ["theseus_wait_for_schema_agreement"]]

  /// The query for its timeout; nil: another query.
  static func timeoutQuery(_ query: SelectStatement) -> SelectStatement? {
    guard case .select(let core) = query.body, core.targets.count == 1, core.from.isEmpty, core.filter == nil,
      core.groupBy.isEmpty, core.having == nil, query.commonTableExpressions.isEmpty, query.limit == nil,
      query.offset == nil, query.locking == nil, case .function(let call) = core.targets[0].expression.kind,
      names.contains(call.name), call.arguments.count <= 1, !call.isStar, !call.isDistinct, call.filter == nil
    else { return nil }
    let position = core.targets[0].expression.position
    let fallback = ExpressionSyntax(.integer(defaultTimeoutMilliseconds), at: position)
    let timeout = call.arguments.first.map { [$0, fallback] } ?? [fallback]
    let value = ExpressionSyntax(
      .cast(ExpressionSyntax(.coalesce(timeout), at: position), TypeNameSyntax(names: ["pg_catalog", "int8"])),
      at: position)
    return SelectStatement(
      body: .select(
        SelectCore(targets: [SelectTarget(value, alias: core.targets[0].alias ?? "wait_for_schema_agreement")])))
  }
}
