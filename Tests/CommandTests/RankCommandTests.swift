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

  /// Whatever is trained: a prior on tokens, a continuous one, the steps of its solver.
  @Test func allKindsOfRunsHaveRanks() throws {
    try scratch.write(
      """
      {
        "kind": "continuous",
        "data": {"type": "images", "train": "in", "validationShare": 0.25, "imageSize": 16, "patch": 4},
        "model": {
          "width": 32, "layers": 1, "heads": 2,
          "head": {"type": "diffusion", "width": 32, "layers": 1, "levels": 2}
        },
        "training": {"steps": 4, "batchSize": 4, "lanes": 2},
        "monitor": {"logEvery": 1, "evaluateEvery": 2, "checkpointEvery": 2}
      }
      """, to: "continuous.json")
    try scratch.write(
      """
      {
        "kind": "solver", "checkpoint": "alone/continuous", "solver": {"steps": 2, "teacherPoints": 1},
        "training": {"steps": 4, "batchSize": 4, "lanes": 2, "optimizer": {"type": "adam"}},
        "monitor": {"logEvery": 1, "evaluateEvery": 2, "evaluationImages": 4}
      }
      """, to: "solver.json")
    try scratch.write(
      """
      {
        "kind": "prior", "data": {"tokens": ["tokens.safetensors"], "validationShare": 0.25},
        "model": {"width": 32, "layers": 1, "heads": 2},
        "training": {"steps": 4, "batchSize": 4, "lanes": 2},
        "monitor": {"logEvery": 1, "evaluateEvery": 2, "checkpointEvery": 2}
      }
      """, to: "prior.json")
    func alone(_ command: String, _ arguments: [String]) throws {
      expect(try CommandRunner.run(command, arguments, in: scratch.path), 0)
    }
    try alone("train", ["c.json", "--output", "vq"])
    try alone("encode", ["--checkpoint", "vq", "--output", "tokens.safetensors", "in"])
    for kind in ["prior", "continuous", "solver"] {
      try alone("train", [kind + ".json", "--output", "alone/" + kind])
      let found = try ranks(2, [kind + ".json", "--output", "ranked/" + kind])
      #expect(found.codes == [0, 0], "\(kind): \(found.errors)")
      #expect(try state("ranked/" + kind) == state("alone/" + kind), "\(kind)")
    }
  }

  // MARK: Networks

  /// Whether two networks can be made here, with a slow link between them.
  static let hasNetworks: Bool = {
    let line =
      "n=ts$$ && ip netns add $n && ip link add $n type veth peer name ${n}b && "
      + "tc qdisc add dev $n root tbf rate 1gbit burst 1mb latency 50ms; r=$?; "
      + "ip link del $n; ip netns del $n; exit $r"
    return (try? CommandRunner.run(line: "(\(line)) >/dev/null 2>&1", "true", []))?.code == 0
  }()
  static let withoutNetworks: Comment = "needs root, ip and tc, for networks of its own"

  /// Starts two ranks on machines with a link of 200 Mb/s; `act` is bash that comes after the start.
  private func onTwoMachines(_ arguments: [String], act: String = ":") throws -> (
    codes: [Int32], errors: [String]
  ) {
    let line = """
      a=tsa$$ b=tsb$$
      trap 'ip netns del $a; ip netns del $b' EXIT
      ip netns add $a && ip netns add $b && ip link add $a type veth peer name $b &&
        ip link set $a netns $a && ip link set $b netns $b || exit 99
      for n in "$a 1" "$b 2"; do
        set -- $n "$@"; ip netns exec $1 ip addr add 10.77.0.$2/24 dev $1
        ip netns exec $1 tc qdisc add dev $1 root tbf rate 200mbit burst 1mb latency 50ms
        ip netns exec $1 ip link set $1 up; ip netns exec $1 ip link set lo up; shift 2
      done
      export WORLD_SIZE=2 MASTER_ADDR=10.77.0.1 MASTER_PORT=29555
      RANK=0 ip netns exec $a "$0" "$@" >out.0 2>err.0 & first=$!
      RANK=1 ip netns exec $b "$0" "$@" >out.1 2>err.1 & second=$!
      \(act)
      wait $first; echo $?; wait $second; echo $?
      """
    let outcome = try CommandRunner.run(line: line, "train", arguments, in: scratch.path)
    return (
      outcome.output.split(separator: "\n").compactMap { Int32($0) },
      try (0..<2).map { try String(contentsOfFile: scratch.file("err.\($0)"), encoding: .utf8) }
    )
  }

  @Test(.enabled(if: hasNetworks, withoutNetworks)) func twoMachinesTrainWhatOneDoes() throws {
    expect(
      try CommandRunner.run("train", ["c.json", "--output", "alone"], in: scratch.path), 0)
    let found = try onTwoMachines(["c.json", "--output", "ranked", "--threads", "1"])
    #expect(found.codes == [0, 0], "\(found.errors)")
    #expect(try state("ranked") == state("alone"))
  }

  /// A machine that is cut off says nothing any more.
  @Test(.enabled(if: hasNetworks, withoutNetworks)) func aMachineThatIsCutOffIsNoticed() throws {
    let began = ContinuousClock.now
    let found = try onTwoMachines(
      ["c.json", "--output", "run", "--threads", "1", "--steps", "1000000"],
      act: Self.waitForAStep + "; ip netns exec $b ip link set $b down")
    #expect(began.duration(to: .now) < .seconds(120))
    #expect(found.codes == [70, 70], "\(found.errors)")
    #expect(
      found.errors[0].contains("error: rank 1 (") && found.errors[1].contains("error: rank 0 ("))
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
