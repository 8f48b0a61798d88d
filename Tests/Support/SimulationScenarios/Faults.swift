import EventLoop
import RPC
import Simulation
import Wire

let partition: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  world.network.isolate([server.host])
  let before = world.clock
  let first = await client.call(world, deadline: .seconds(1))
  try require(first == "DEADLINE_EXCEEDED", "during the cut: \(first)")
  try require(world.clock - before >= 1_000_000_000, "the deadline came early")
  // Keepalive finds the silence and ends the connection; then calls fail at once.
  let isDown = await world.run(until: { client.channel?.state == .transientFailure }, limit: .seconds(12))
  try require(isDown, "keepalive noticed nothing")
  report(world, "the client gave up")
  try require(await client.call(world) == "UNAVAILABLE", "the call did not fail at once")
  world.network.healAll()
  let isBack = await world.run(until: { client.channel?.state == .ready }, limit: .seconds(12))
  try require(isBack, "the client did not come back")
  try require(await client.call(world) == "ok", "no echo after the cut")
  report(world, "and came back")
}

let oneWayCut: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  // The answer's way is cut: the handler runs, the caller hears nothing.
  world.network.cut(from: server.host, to: client.host)
  let answer = await client.call(world, deadline: .milliseconds(500))
  try require(answer == "DEADLINE_EXCEEDED", "during the cut: \(answer)")
  try require(server.calls == 2, "the request did not arrive")
  // The request's way is cut.
  world.network.heal(from: server.host, to: client.host)
  await world.run(for: .seconds(2))
  world.network.cut(from: client.host, to: server.host)
  try require(await client.call(world, deadline: .milliseconds(500)) == "DEADLINE_EXCEEDED", "the request arrived")
  try require(server.calls == 2, "the request arrived")
  world.network.healAll()
  await world.run(for: .seconds(3))
  try require(await client.call(world) == "ok", "no echo after the cut")
}

let kill: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  Timer.once(after: .milliseconds(200)) { server.host.kill() }
  let before = world.clock
  let answer = await client.call(world, EchoService.wait)
  try require(answer == "UNAVAILABLE", "the call under way: \(answer)")
  try require(world.clock - before < 300_000_000, "the client heard of the death too late")
  await world.run(for: .milliseconds(100))
  try require(await client.call(world) == "UNAVAILABLE", "a dead host answered")
  server.host.restart()
  let isBack = await world.run(until: { client.channel?.state == .ready }, limit: .seconds(5))
  try require(isBack, "the client did not come back")
  try require(await client.call(world) == "ok", "no echo after the restart")
  try require(server.host.incarnation == 2, "incarnation \(server.host.incarnation)")
  report(world, "incarnation \(server.host.incarnation)")
}

let powerLoss: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  server.host.kill(.machine)
  await world.run(for: .milliseconds(500))
  try require(client.channel?.state == .ready, "the client heard of a silent death")
  try require(await client.call(world, deadline: .seconds(1)) == "DEADLINE_EXCEEDED", "a dead machine answered")
  // The machine is back and knows nothing of the connection: it says so when bytes come.
  server.host.restart()
  let answer = await client.call(world)
  try require(answer == "UNAVAILABLE", "on the old connection: \(answer)")
  let isBack = await world.run(until: { client.channel?.state == .ready }, limit: .seconds(5))
  try require(isBack, "the client did not come back")
  try require(await client.call(world) == "ok", "no echo after the restart")
}

let pause: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  server.host.pause()
  Timer.once(after: .seconds(2)) { server.host.resume() }
  let before = world.clock
  try require(await client.call(world) == "ok", "no echo after the pause")
  let waited = world.clock - before
  try require(waited >= 2_000_000_000 && waited < 2_400_000_000, "the echo took \(waited) ns")
  report(world, "answered after \(waited / 1_000_000) ms")
}

let clocks: Scenario = { world in
  let hosts = ["even", "fast", "slow"].map { world.addHost($0) }
  var ticks = [0, 0, 0]
  for (index, host) in hosts.enumerated() {
    host.setClockDrift(partsPerMillion: [0, 500_000, -500_000][index])
    host.wallClockErrorMilliseconds = [0, 5000, -5000][index]
    host.start { _ in _ = Timer.repeating(every: .milliseconds(10)) { ticks[index] += 1 } }
  }
  await world.run(for: .milliseconds(1))
  let before = hosts.map { host in host.run { EventLoop.now.nanoseconds } ?? 0 }
  let wall = hosts.map { host in host.run { EventLoop.wallClockMilliseconds } ?? 0 }
  await world.run(for: .seconds(10))
  let elapsed = zip(hosts, before).map { host, start in (host.run { EventLoop.now.nanoseconds } ?? 0) - start }
  try require(elapsed == [10_000_000_000, 15_000_000_000, 5_000_000_000], "the clocks moved by \(elapsed)")
  try require(ticks[0] >= 999 && ticks[1] >= 1499 && ticks[2] >= 499 && ticks[2] <= 501, "the timers fired \(ticks)")
  try require(wall[1] - wall[0] >= 5000 && wall[0] - wall[2] >= 4999, "the wall clocks show \(wall)")
  report(world, "\(ticks)")
}

let workers: Scenario = { world in
  let host = world.addHost("host")
  world.workTimeNanoseconds = { _, name in name == "slow" ? 10_000_000 : 0 }
  let seen = Locked<[String]>([])
  @Sendable func note(_ text: String) { seen.withLock { $0.append(text) } }
  host.start { _ in
    let slow = WorkerThread(name: "slow")
    for number in 1...2 { slow.run({ note("body \(number)") }, completion: { note("done \(number)") }) }
    let blocking = BlockingPool(name: "blocking", threads: 2)
    let answer: Int = await blocking.run {
      EventLoop.simulateBlocking(for: .milliseconds(5))
      return 42
    }
    note("answer \(answer)")
  }
  await world.run(for: .milliseconds(30))
  var lines = seen.withLock { $0 }
  try require(lines == ["answer 42", "body 1", "done 1", "body 2", "done 2"], "\(lines)")
  // Killed before the body: neither runs. Killed between: the body has run, its completion never comes.
  for (wait, expected) in [(5, []), (12, ["body"])] {
    seen.withLock { $0 = [] }
    host.kill()
    host.start { _ in
      let thread = WorkerThread(name: "slow")
      thread.run(
        {
          EventLoop.simulateBlocking(for: .milliseconds(5))
          note("body")
        }, completion: { note("done") })
      note("started")
    }
    await world.run(for: .milliseconds(wait))
    host.kill()
    await world.run(for: .milliseconds(100))
    lines = seen.withLock { $0 }
    try require(lines == ["started"] + expected, "after \(wait) ms: \(lines)")
  }
  report(world, "worker results of the dead are dropped")
}
