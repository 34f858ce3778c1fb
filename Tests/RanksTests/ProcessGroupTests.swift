import Foundation
import Ranks
import Synchronization
import TestSupport
import Testing

/// Processes that exchange numbers: here threads with sockets between them.
struct ProcessGroupTests {
  @Test(arguments: [2, 3, 5])
  func allGetWhatAllHave(_ size: Int) throws {
    let all = try LocalRanks.run(size) { group in
      let texts = group.gather(
        bytes: Array(String(repeating: "\(group.rank)", count: group.rank).utf8))
      let numbers = group.gather([Double(group.rank), 0.5])
      try group.check()
      #expect(group.members.count == group.size && group.hosts == 1)
      #expect(group.threads == group.size)
      return (texts.map { String(decoding: $0, as: UTF8.self) }, numbers)
    }
    for (texts, numbers) in all {
      #expect(texts == (0..<size).map { String(repeating: "\($0)", count: $0) })
      #expect(numbers == (0..<size).map { [Double($0), 0.5] })
    }
  }

  /// Far more than a socket holds, both ways at once.
  @Test func largeMessagesCross() throws {
    let count = 3_000_000
    let sums = try LocalRanks.run(3) { group in
      let own = [UInt8](repeating: UInt8(group.rank + 1), count: count + group.rank)
      let all = group.gather(bytes: own)
      try group.check()
      return all.map { $0.reduce(0) { $0 + Int($1) } }
    }
    for sum in sums { #expect(sum == [count, 2 * (count + 1), 3 * (count + 2)]) }
  }

  @Test(arguments: [(2, 8), (3, 6), (4, 3)])
  func partsOfABlockAreFilledIn(_ size: Int, _ items: Int) throws {
    let lanes = 2 * size
    let blocks = try LocalRanks.run(size) { group in
      var block = [Int32](repeating: -1, count: items * 3)
      for item in 0..<items where group.lanes(of: group.rank, among: lanes).contains(item % lanes) {
        for place in 0..<3 { block[item * 3 + place] = Int32(item * 10 + place) }
      }
      block.withUnsafeMutableBytes { group.share($0, items: items) { $0 % lanes / 2 } }
      try group.check()
      return block
    }
    let whole = (0..<items).flatMap { item in (0..<3).map { Int32(item * 10 + $0) } }
    for block in blocks { #expect(block == whole) }
  }

  @Test func aRequestToStopReachesAllAtOnce() throws {
    let rounds = try LocalRanks.run(3) {
      $0 == 1
    } _: { group in
      // The group's first exchange has told it already.
      #expect(group.isStopRequested)
      group.gather([1])
      return group.isStopRequested
    }
    #expect(rounds == [true, true, true])
  }

  @Test func differencesAreNamed() throws {
    let messages = try LocalRanks.run(3) { group in
      do {
        try group.checkEqual("configuration", "{\n  \"a\": 1,\n  \"b\": \(group.rank / 2)\n}")
        return ""
      } catch { return "\(error)" }
    }
    #expect(Set(messages).count == 1)
    #expect(
      messages[0].contains("rank 2 (")
        && messages[0].contains("another configuration than rank 0: \"b\": 1 in place of \"b\": 0"))
  }

  @Test func whatFailsInOneFailsInAll() throws {
    struct Trouble: Error {}
    let messages = try LocalRanks.run(3) { group in
      do {
        try group.together({ _ in "no disk" }) {
          if group.rank == 1 { throw Trouble() }
        }
        return ""
      } catch { return "\(error)" }
    }
    #expect(messages[1].hasPrefix("Trouble"))
    for other in [messages[0], messages[2]] {
      #expect(other.contains("rank 1 (") && other.hasSuffix("no disk"))
    }
  }

  @Test func whoLeavesIsMissed() throws {
    let results = try LocalRanks.run(3) { group in
      if group.rank == 2 {
        group.abandon("the disk is full", code: 74)
        return "left"
      }
      group.gather([1])
      do { try group.check() } catch {
        // Nothing waits any more.
        group.gather([1])
        group.abandon("", code: 70)
        return "\(error)"
      }
      return "nothing"
    }
    #expect(results[0].contains("rank 2 (") && results[0].hasSuffix("the disk is full"))
    #expect(results[2] == "left")
  }

  @Test func unevenSharesAreRefused() throws {
    let messages = try LocalRanks.run(2) { group in
      [(3, 6), (2, 5), (4, 8)].map { lanes, batch in
        do {
          try group.check(lanes: lanes, batch: batch)
          return "fine"
        } catch { return "\(error)" }
      }
    }
    for found in messages {
      #expect(found[0].contains("training.lanes = 3") && found[0].contains("such as 4"))
      #expect(found[1].contains("training.batchSize = 5"))
      #expect(found[2] == "fine")
    }
  }

  /// Someone else's connection is not taken for a rank.
  @Test func strangersAreSentAway() throws {
    let port = LocalRanks.freePort()
    let stranger = Thread {
      for _ in 0..<50 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port) && echo GET / >&3"]
        process.standardError = FileHandle.nullDevice
        try? process.run()
        process.waitUntilExit()
        if process.terminationStatus == 0 { return }
        usleep(20_000)
      }
    }
    stranger.start()
    let results = Mutex([Int]())
    let done = DispatchSemaphore(value: 0)
    for rank in 0..<2 {
      Thread {
        if rank == 1 { usleep(400_000) }
        let group = try? Ranks.join(
          environment: LocalRanks.variables(rank, of: 2, port: port)
        ) { _ in
          1
        } wantsToStop: {
          false
        }
        results.withLock { $0.append(group?.size ?? 0) }
        done.signal()
      }.start()
    }
    for _ in 0..<2 { done.wait() }
    #expect(results.withLock { $0 } == [2, 2])
  }
}
