import Foundation

/// How a process was started as one of several.
public struct Launch: Equatable, Sendable {
  /// The programs that start ranks.
  public enum Launcher: String, Sendable {
    /// One with the process management interface of MPICH: mpiexec, or srun --mpi=pmi2.
    case pmi = "mpiexec"
    /// Slurm.
    case slurm = "srun"
    /// Open MPI.
    case openMPI = "mpirun"
    /// PyTorch's launcher, or whoever sets the variables that it sets.
    case torchrun

    /// The variables of a rank and of how many there are.
    var variables: (rank: String, size: String) {
      switch self {
      case .pmi: ("PMI_RANK", "PMI_SIZE")
      case .slurm: ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
      case .openMPI: ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
      case .torchrun: ("RANK", "WORLD_SIZE")
      }
    }
  }

  /// What started it.
  public var launcher: Launcher
  /// Its number, from 0.
  public var rank: Int
  /// How many there are.
  public var size: Int
  /// The machine of rank 0; nil where nothing tells.
  public var address: String?
  /// The port there.
  public var port: Int
  /// What tells these ranks from those of other runs.
  public var job: String
  /// How many seconds they wait for each other at the start.
  public var patience: Int

  /// What the variables of this process say.
  public static func current() throws(RankError) -> Launch? {
    try Launch(environment: ProcessInfo.processInfo.environment)
  }

  /// The most ranks.
  static let most = 4096

  /// What the variables of the environment say; nil where the process is one by itself.
  ///
  /// `TESSERA_RANKS=off` says so whatever they are: a launcher may start runs that have nothing to do with
  /// each other.
  ///
  /// Slurm's are of the step, not of the job: in a batch script, which is no rank, there are none. Where
  /// Open MPI's mpirun runs inside a job they are of the step that carries its daemons.
  public init?(environment: [String: String]) throws(RankError) {
    if environment["TESSERA_RANKS"] == "off" { return nil }
    let launchers: [Launcher] = [.pmi, .slurm, .openMPI, .torchrun]
    let isUnderOpenMPI = environment[Launcher.openMPI.variables.size] != nil
    let found = launchers.first { launcher in
      let names = launcher.variables
      return environment[names.rank] != nil && environment[names.size] != nil
        && !(launcher == .slurm && isUnderOpenMPI)
    }
    guard let found else { return nil }
    let names = found.variables
    let (rankText, sizeText) = (environment[names.rank]!, environment[names.size]!)
    guard let size = Int(sizeText), let rank = Int(rankText), (1...Self.most).contains(size),
      (0..<size).contains(rank)
    else {
      throw .variables(
        expected: "ranks from 0 to \(names.size) - 1, of at most \(Self.most)",
        found: "\(names.rank)=\(rankText), \(names.size)=\(sizeText)")
    }
    guard size > 1 else { return nil }
    (launcher, self.rank, self.size) = (found, rank, size)
    job = ["TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "SLURM_STEP_ID"]
      .map { environment[$0] ?? "" }.joined(separator: "/")
    patience = 120
    if let text = environment["TESSERA_PATIENCE"] {
      guard let seconds = Int(text), (1...86_400).contains(seconds) else {
        throw .variables(expected: "1 to 86400 seconds", found: "TESSERA_PATIENCE=\(text)")
      }
      patience = seconds
    }
    address = environment["MASTER_ADDR"].flatMap { $0.isEmpty ? nil : $0 }
    let given = environment["TESSERA_PORT"] ?? environment["MASTER_PORT"]
    port = Self.standardPort
    if let given {
      guard let number = Int(given), (1...65535).contains(number) else {
        throw .variables(
          expected: "a port from 1 to 65535 in TESSERA_PORT or MASTER_PORT", found: given)
      }
      // torchrun itself listens on its port.
      let isTaken =
        environment["TESSERA_PORT"] == nil
        && environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
      port = isTaken ? number % 65535 + 1 : number
    } else if found == .slurm, let job = Int(environment["SLURM_JOB_ID"] ?? "") {
      // Of all jobs that may be on one machine at a time, each has its own.
      port = 20_000 + (job * 16 + (Int(environment["SLURM_STEP_ID"] ?? "") ?? 0)) % 20_000
    }
    if address == nil, found == .slurm {
      address = (environment["SLURM_STEP_NODELIST"] ?? environment["SLURM_JOB_NODELIST"])
        .flatMap(Self.firstHost)
    }
  }

  private static let standardPort = 29_500

  /// The first machine of Slurm's list: `node07` of "node[07-09,12],login1".
  static func firstHost(of list: String) -> String? {
    let head = list.prefix { $0 != "," && $0 != "[" }
    guard !head.isEmpty || list.first == "[" else { return nil }
    let rest = list.dropFirst(head.count)
    guard rest.first == "[" else { return String(head) }
    let number = rest.dropFirst().prefix { $0 != "," && $0 != "-" && $0 != "]" }
    guard let end = rest.firstIndex(of: "]"), !number.isEmpty else { return nil }
    let tail = rest[rest.index(after: end)...].prefix { $0 != "," }
    return String(head) + number + tail
  }
}
