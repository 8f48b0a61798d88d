import Testing

@testable import Verification

@Suite struct ScheduleTests {
  static let text = """
    at 3200ms kill meta-leader
    at 3500ms restart last
    every 700ms from 2s until 9s pause random-gateway for 1500ms
    at 2s cut storage-1 -> storage-2 for 2s
    at 2s cut storage-1 <-> all
    at 2s isolate meta-leader for 3s
    at 2s strand storage-leader with gateway-1 for 3s
    at 2s slow gateway-1 <-> all by 40ms for 2s
    at 2s stall storage-1 -> all for 300ms
    at 2s reset gateway-1 <-> storage-2
    at 2s disk-full storage-2 for 1s
    at 2s disk-slow storage-2 by 50ms for 3s
    at 2s bit-rot storage-3
    at 2s clock-rate storage-3 by -500ppm
    at 2s clock-step gateway-1 by -3000ms
    at 4s heal
    """

  @Test func printsWhatItReads() throws {
    let schedule = try Schedule(parsing: Self.text)
    #expect(schedule.description == Self.text)
    #expect(try Schedule(parsing: "# nothing\n\n at 3.5s restart last # now\n").description == "at 3500ms restart last")
  }

  @Test(arguments: [
    "kill meta-1", "at 3 kill meta-1", "at 3s", "at 3s kill", "at 3s cut a", "at 3s cut a b", "at 3s burn a",
    "at 3s strand a",
    "at 3s kill a b", "at 999999999999999999999s kill a", "at 1s clock-rate a by 5", "at -1s kill a", "at 1.x2s kill a",
  ])
  func refuses(_ line: String) {
    #expect(throws: ScheduleError.self) { try Schedule(parsing: "\n" + line) }
  }

  @Test func eventsComeInOrder() throws {
    let schedule = try Schedule(parsing: "every 700ms from 2s until 4s pause a\nat 2.5s kill b\nat 9s kill c")
    let events = schedule.events(until: 9_000_000_000)
    #expect(events.map(\.at) == [2_000_000_000, 2_500_000_000, 2_700_000_000, 3_400_000_000])
    #expect(events.map(\.action.kind) == [.pause, .kill, .pause, .pause])
  }

  @Test func randomSchedulesSurviveTheirText() throws {
    var profile = FaultProfile()
    profile.hosts = ["meta": ["meta-1", "meta-2"], "storage": ["storage-1"], "gateway": ["gateway-1"]]
    for seed in 1...200 as ClosedRange<UInt64> {
      let schedule = Schedule.random(seed: seed, profile: profile)
      #expect(schedule == Schedule.random(seed: seed, profile: profile))
      #expect(try Schedule(parsing: schedule.description) == schedule)
      for event in schedule.events(until: .max) { #expect(event.at + (event.action.duration ?? 0) <= profile.duration) }
    }
  }

  @Test func shrinksToWhatMatters() throws {
    let lines = (1...20).map { "at \($0)s kill host-\($0)" }.joined(separator: "\n")
    var attempts = 0
    let small = try Schedule(parsing: lines).shrunk(attempts: 200) { schedule in
      attempts += 1
      let text = schedule.description
      return text.contains("host-3\n") && text.contains("host-17")
    }
    #expect(small.description == "at 3s kill host-3\nat 17s kill host-17")
    #expect(attempts < 80)
    #expect(try Schedule(parsing: lines).shrunk(attempts: 3) { _ in true }.lines.isEmpty)
  }
}
