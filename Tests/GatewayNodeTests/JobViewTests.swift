import Basics
import SQLSyntax
import Testing
import Wire

@testable import GatewayNode

@Suite struct JobViewTests {
  private func job(_ change: (inout JobInfo) -> Void = { _ in }) -> JobInfo {
    var job = JobInfo(
      jobID: 7, statement: "CREATE INDEX i ON t (a)", tableName: "t", state: "running", step: 3, steps: 4,
      history: [
        JobStepInfo(
          name: "index i: writeOnly -> backfilling", schemaIndex: 9, startedMilliseconds: 1000,
          finishedMilliseconds: 1012),
        JobStepInfo(name: "backfill index 2", startedMilliseconds: 1012),
      ])
    job.commandTag = "CREATE INDEX"
    job.tableIDs = [1]
    change(&job)
    return job
  }

  private func value(_ name: String, _ job: JobInfo) -> String? {
    JobView.properties(job) { $0 == 3 ? "gateway-1" : nil }.first { $0.name == name }?.value
  }

  @Test func aBuildUnderWaySaysHowItGetsOn() {
    let job = job {
      $0.workRowsDone = 250
      $0.workRowsTotal = 1000
      $0.rowsPerSecond = 100
      $0.remainingMilliseconds = 7_500
      $0.maxRowsPerSecond = 100
      $0.gatewayNodeID = 3
    }
    #expect(value("stage", job) == "3 of 4: index i: writeOnly -> backfilling")
    #expect(value("work", job) == "backfill index 2")
    #expect(value("rows", job) == "250 of about 1000 (25 %)")
    #expect(value("rate", job) == "100 rows/s")
    #expect(value("time left", job) == "about 7.5 s")
    #expect(value("limit", job) == "100 rows/s (max_rows_per_second)")
    #expect(value("gateway", job) == "gateway-1")
    #expect(value("step 1", job) == "index i: writeOnly -> backfilling (schema index 9), 12 ms")
    #expect(value("step 2", job) == "backfill index 2, under way")
    #expect(value("waits for", job) == nil && value("error", job) == nil)
    #expect(
      JobView.summary(job)
        == "job 7: backfill index 2, 250 of about 1000 rows (25 %), 100 rows/s, about 7.5 s left")
  }

  @Test func waitsAreTold() {
    let waiting = job {
      $0.history.removeLast()
      $0.waitReason = "waiting for gateway-1: node 201 uses table 1 at schema index 8"
      $0.barriers = [JobBarrierInfo(tableID: 1, laggards: [JobLaggardInfo(nodeID: 201)])]
    }
    #expect(value("waits for", waiting) == "gateway-1: node 201 uses table 1 at schema index 8")
    let queued = job {
      $0.state = "queued"
      $0.waitReason = "queued behind job 5"
    }
    #expect(value("waits for", queued) == "queued behind job 5")
    #expect(value("waits for", job { $0.state = "paused" }) == "RESUME JOB 7")
  }

  @Test func buildsAreShownInPostgresWords() {
    let build = JobView.indexBuilds([
      job {
        $0.workRowsDone = 250
        $0.workRowsTotal = 1000
      }
    ]).first
    #expect(build?.job == 7 && build?.phase == "building index" && build?.tuplesDone == 250)
    let waiting = JobView.indexBuilds([
      job {
        $0.history.removeLast()
        $0.barriers = [JobBarrierInfo(tableID: 1, laggards: [JobLaggardInfo(nodeID: 201)])]
      }
    ]).first
    #expect(waiting?.phase == "waiting for writers before build" && waiting?.lockersTotal == 1)
    #expect(JobView.indexBuilds([job { $0.state = "succeeded" }]).isEmpty)
    let other = job {
      $0.commandTag = "ALTER TABLE"
      $0.history = []
    }
    #expect(JobView.indexBuilds([other]).isEmpty)
  }

  @Test(arguments: [
    (0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (59_999, "59 s"), (185_000, "3 min 5 s"), (7_800_000, "2 h 10 min"),
  ]) func durationsAreShort(_ milliseconds: UInt64, _ text: String) {
    #expect(JobView.duration(milliseconds) == text)
  }

  /// Rows a second and percent, or why not.
  private func limit(_ list: (String, String)...) -> (rows: UInt64?, percent: UInt32?, state: SQLState?) {
    do throws(SQLError) {
      let parameters = try JobParameters(list.map { JobParameter(name: $0.0, value: $0.1) })
      return (parameters.maximumRowsPerSecond, parameters.maximumLatencyIncrease, nil)
    } catch {
      return (nil, nil, error.state)
    }
  }

  @Test func parametersAreChecked() {
    #expect(limit(("max_rows_per_second", "1000")).rows == 1000)
    #expect(limit(("max_rows_per_second", "0")).rows == 0)
    for wrong in ["-1", "1.5", "many", "", "99999999999999999999", "9223372036854775808"] {
      #expect(limit(("max_rows_per_second", wrong)).state == .invalidParameterValue)
    }
    let twice = limit(("max_rows_per_second", "1"), ("max_rows_per_second", "2"))
    #expect(twice.state == .invalidParameterValue)
    #expect(limit(("nope", "1")).state == .invalidParameterValue)
    let latency = limit(("max_latency_increase", "20%"))
    #expect(latency.percent == 20 && latency.rows == nil && latency.state == nil)
    let both = limit(("max_latency_increase", "0"), ("max_rows_per_second", "7"))
    #expect(both.percent == 0 && both.rows == 7)
    for wrong in ["-1", "1.5", "%", "20 %", "10001", ""] {
      #expect(limit(("max_latency_increase", wrong)).state == .invalidParameterValue)
    }
    #expect(limit(("max_latency_increase", "1"), ("max_latency_increase", "1")).state == .invalidParameterValue)
  }

  @Test(arguments: [
    ("create unique index i on t (a)", "CREATE INDEX"), ("ALTER TABLE t DROP b", "ALTER TABLE"), ("", ""),
  ]) func tagsComeFromTheText(_ text: String, _ tag: String) {
    #expect(SchemaChangeCall.commandTag(text) == tag)
  }
}
