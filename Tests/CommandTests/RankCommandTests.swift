import FileTestSupport
import Foundation
import Safetensors
import TestSupport
import Testing

/// Training by several processes, as a user starts them.
struct RankCommandTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder.forTraining(steps: 6, lanes: 2) }

  /// Starts ranks as torchrun does, and waits for all; `act` is bash that comes after the start, where
  /// `${pids[1]}` is the process of rank 1.
  private func ranks(
    _ size: Int, _ arguments: [String], each: String = "", act: String = ""
  ) throws -> (codes: [Int32], errors: [String], output: String) {
    let line = """
      export WORLD_SIZE=\(size) MASTER_ADDR=127.0.0.1 TESSERA_PORT=\(LocalRanks.freePort())
      d=$PWD
      for r in $(seq 0 \(size - 1)); do
        ( export RANK=$r; \(each.isEmpty ? ":" : each); exec "$0" "$@" >"$d/out.$r" 2>"$d/err.$r" ) & pids[$r]=$!
      done
      \(act.isEmpty ? ":" : act)
      for r in $(seq 0 \(size - 1)); do wait ${pids[$r]}; echo $?; done
      """
    let outcome = try CommandRunner.run(line: line, "train", arguments, in: scratch.path)
    let errors = try (0..<size).map {
      try String(contentsOfFile: scratch.file("err.\($0)"), encoding: .utf8)
    }
    return (
      outcome.output.split(separator: "\n").compactMap { Int32($0) }, errors,
      try String(contentsOfFile: scratch.file("out.0"), encoding: .utf8)
    )
  }

  private func state(_ run: String) throws -> [String: [UInt8]] {
    let file = try SafetensorsFile(path: scratch.file(run + "/state.safetensors"))
    return try Dictionary(
      uniqueKeysWithValues: file.entries.map { entry in
        (entry.name, try file.withBytes(of: entry) { Array($0) })
      })
  }

  private static let waitForAStep =
    "for i in $(seq 600); do grep -q 'step 1/' err.0 && break; sleep 0.05; done"

  @Test func twoRanksTrainWhatOneProcessDoes() throws {
    let alone = try CommandRunner.run(
      "train", ["c.json", "--output", "alone"], in: scratch.path)
    expect(alone, 0)
    let found = try ranks(2, ["c.json", "--output", "ranked"])
    #expect(found.codes == [0, 0], "\(found.errors)")
    #expect(found.errors[0].contains("2 ranks on one machine"))
    #expect(found.errors[1].isEmpty, "rank 0 alone speaks")
    #expect(found.output.contains("ranked"))
    #expect(try state("ranked") == state("alone"))
  }

  @Test func aSignalToAnyRankStopsAllAfterTheSameStep() throws {
    let found = try ranks(
      2, ["c.json", "--output", "run", "--steps", "100000"],
      act: Self.waitForAStep + "; kill -TERM ${pids[1]}")
    #expect(found.errors[0].contains("stopped after step"), "\(found.errors)")
    #expect(found.codes.allSatisfy { $0 != 0 })
    // One process goes on where two stopped.
    let step = try SafetensorsFile(path: scratch.file("run/state.safetensors")).metadata["step"]
    let next = (step.flatMap { Int($0) } ?? 0) + 2
    let resumed = try CommandRunner.run(
      "train", ["--resume", "--output", "run", "--steps", "\(next)", "--allow-changes"],
      in: scratch.path)
    expect(resumed, 0, "resuming from step \(next - 2)")
  }

  @Test func aKilledRankIsNamedAndEndsAll() throws {
    let began = ContinuousClock.now
    let found = try ranks(
      3,
      [
        "c.json", "--output", "run", "--steps", "100000", "--set", "training.lanes=3", "--set",
        "training.batchSize=3",
      ],
      act: Self.waitForAStep + "; kill -KILL ${pids[1]}")
    #expect(began.duration(to: .now) < .seconds(60))
    #expect(found.codes[0] == 70 && found.codes[1] == 137 && found.codes[2] == 70)
    #expect(
      found.errors[0].contains("error: rank 1 (") && found.errors[0].contains("has ended"),
      "\(found.errors)")
    #expect(found.errors[2].isEmpty)
    // What was computed was saved.
    let resumed = try CommandRunner.run(
      "train", ["--resume", "--output", "run", "--estimate", "--measured-steps", "1"],
      in: scratch.path)
    expect(resumed, 0)
    let step = try SafetensorsFile(path: scratch.file("run/state.safetensors")).metadata["step"]
    #expect((step.flatMap { Int($0) } ?? 0) > 0)
  }

  @Test func theFirstRankMayBeKilledToo() throws {
    let found = try ranks(
      2, ["c.json", "--output", "run", "--steps", "100000"],
      act: Self.waitForAStep + "; kill -KILL ${pids[0]}")
    #expect(found.codes == [137, 70])
    #expect(found.errors[1].contains("error: rank 0 ("), "\(found.errors)")
  }

  @Test func aFullDiskAtTheFirstRankEndsAll() throws {
    let found = try ranks(
      2, ["c.json", "--output", "run"], each: "[ $r = 0 ] && ulimit -f 40")
    #expect(found.codes[0] == 74 && found.codes[1] == 70, "\(found.codes) \(found.errors)")
    #expect(found.errors[0].contains("run/"))
    #expect(found.errors[1].isEmpty, "rank 0 has said it")
  }

  @Test func otherConfigurationsAreRefused() throws {
    let found = try ranks(
      2, ["c.json", "--output", "run"],
      each: "[ $r = 1 ] && set -- \"$@\" --set training.seed=5")
    #expect(found.codes == [65, 65])
    #expect(
      found.errors[0].contains("has another configuration than rank 0")
        && found.errors[0].contains("\"seed\": 5"), "\(found.errors)")
  }

  @Test func whatOneRankLacksIsTold() throws {
    let found = try ranks(
      2, ["c.json", "--output", "run"],
      each: "[ $r = 1 ] && mkdir elsewhere && cp c.json elsewhere && cd elsewhere")
    #expect(found.codes == [70, 66])
    #expect(
      found.errors[0].contains("error: rank 1 (") && found.errors[0].contains("in: "),
      "\(found.errors)")
    #expect(found.errors[1].isEmpty)
  }

  @Test(arguments: [
    (3, "training.lanes = 2", []),
    (
      2, "training.batchSize = 3",
      ["--set", "training.batchSize=3", "--set", "training.lanes=0"]
    ),
  ])
  func unevenSharesAreRefused(_ size: Int, _ words: String, _ more: [String]) throws {
    let found = try ranks(size, ["c.json", "--output", "run"] + more)
    #expect(found.codes == Array(repeating: 64, count: size), "\(found.errors)")
    #expect(found.errors[0].contains("\(size) ranks cannot share \(words) evenly"))
    #expect(found.errors.dropFirst().joined().isEmpty)
  }

  @Test func rankZeroThatDoesNotComeIsMissed() throws {
    let outcome = try CommandRunner.run(
      program: CommandRunner.path(of: "train"), ["c.json", "--output", "run"], in: scratch.path,
      environment: [
        "RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "TESSERA_PORT": "\(LocalRanks.freePort())", "TESSERA_PATIENCE": "1",
      ])
    expect(outcome, 70, "rank 0 did not answer at 127.0.0.1", "within 1 s", "MASTER_ADDR")
  }

  @Test func ranksThatDoNotComeAreNamed() throws {
    let outcome = try CommandRunner.run(
      program: CommandRunner.path(of: "train"), ["c.json", "--output", "run"], in: scratch.path,
      environment: [
        "RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1",
        "TESSERA_PORT": "\(LocalRanks.freePort())", "TESSERA_PATIENCE": "1",
      ])
    expect(outcome, 70, "expected 3 ranks, but ranks 1, 2 did not come within 1 s")
  }

  @Test func nonsensicalVariablesAreTold() throws {
    let outcome = try CommandRunner.run(
      program: CommandRunner.path(of: "train"), ["c.json", "--output", "run"], in: scratch.path,
      environment: ["RANK": "7", "WORLD_SIZE": "2"])
    expect(outcome, 64, "RANK=7, WORLD_SIZE=2")
  }

  @Test func anEstimateIsOfOneProcess() throws {
    let found = try ranks(2, ["c.json", "--output", "run", "--estimate"])
    #expect(found.codes == [64, 64])
    #expect(found.errors[0].contains("--estimate measures one process"))
  }

  @Test func aTraceShowsTheExchange() throws {
    let found = try ranks(2, ["c.json", "--output", "run", "--trace"])
    #expect(found.codes == [0, 0], "\(found.errors)")
    #expect(found.output.contains("(exchange between ranks)"))
  }

  // MARK: MPI

  /// Whether mpirun starts processes here, and the program has MPI built in.
  static let hasMPI: Bool = {
    guard let path = which("mpirun"),
      let started = try? CommandRunner.run(program: path, mpirunFlags + ["-n", "2", "true"]),
      started.code == 0
    else { return false }
    // As if mpirun had started it, which the MPI that is built in finds out.
    let outcome = try? CommandRunner.run(
      program: CommandRunner.path(of: "train"), ["fsq"],
      environment: ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"])
    return outcome.map { !$0.errors.contains("has no MPI") } ?? false
  }()
  static let withoutMPI: Comment = "needs mpirun, and MPI built in: make test MPI=1"

  private static let mpirunFlags = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]

  private static func which(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private func mpirun(
    _ size: Int, _ arguments: [String]
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      program: Self.which("mpirun")!,
      Self.mpirunFlags + ["-n", "\(size)", CommandRunner.path(of: "train")] + arguments,
      in: scratch.path)
  }

  /// What two ranks say, of which the last gets a signal after the first step, and whether mpirun found an error.
  private func mpirun(sending signal: String, _ arguments: [String]) throws -> (
    errors: String, hasFailed: Bool
  ) {
    let line = """
      "$@" >out 2>err & run=$!
      for i in $(seq 600); do grep -q 'step 1/' err && break; sleep 0.05; done
      kill -\(signal) $(pgrep -P $run train | tail -1)
      wait $run; echo $?
      """
    let outcome = try CommandRunner.run(
      line: line, "true",
      [Self.which("mpirun")!] + Self.mpirunFlags + ["-n", "2", CommandRunner.path(of: "train")]
        + arguments, in: scratch.path)
    return (
      try String(contentsOfFile: scratch.file("err"), encoding: .utf8),
      outcome.output.trimmingCharacters(in: .whitespacesAndNewlines) != "0"
    )
  }

  @Test(.enabled(if: hasMPI, withoutMPI)) func mpirunStartsRanks() throws {
    expect(
      try CommandRunner.run("train", ["c.json", "--output", "alone"], in: scratch.path), 0)
    let outcome = try mpirun(2, ["c.json", "--output", "ranked"])
    expect(outcome, 0, "2 ranks on one machine")
    #expect(try state("ranked") == state("alone"))
  }

  @Test(.enabled(if: hasMPI, withoutMPI)) func mpirunEndsAllAlike() throws {
    let refused = try mpirun(3, ["c.json", "--output", "run"])
    #expect(refused.code != 0 && refused.errors.contains("3 ranks cannot share"))
    let stopped = try mpirun(
      sending: "USR1", ["c.json", "--output", "run", "--steps", "100000"])
    #expect(stopped.errors.contains("stopped after step"), "\(stopped.errors.suffix(2000))")
    #expect(
      try SafetensorsFile(path: scratch.file("run/state.safetensors")).metadata["step"] != "0")
  }

  @Test(.enabled(if: hasMPI, withoutMPI)) func mpirunEndsAllWhereOneIsKilled() throws {
    let killed = try mpirun(
      sending: "KILL", ["c.json", "--output", "run", "--steps", "100000"])
    #expect(killed.hasFailed)
    #expect(
      killed.errors.contains("rank 1") && killed.errors.contains("signal 9"),
      "\(killed.errors.suffix(2000))")
    // The last checkpoint is whole.
    let state = try SafetensorsFile(path: scratch.file("run/state.safetensors"))
    #expect(state.metadata["step"] != nil)
  }
}
