/// What carries bytes between the processes of a group: sockets, or MPI.
public protocol Communicator: AnyObject {
  /// This process' number in the group, from 0.
  var rank: Int { get }
  /// The processes of the group.
  var size: Int { get }

  /// Begins to send and to receive; the bytes stay where they are until all is done.
  ///
  /// Between two ranks bytes arrive in the order in which sending was begun; both know their lengths.
  func begin(sends: [Outgoing], receives: [Incoming]) throws(RankError)

  /// Goes on with what was begun as far as it can without waiting, or, waiting, until all is done.
  func proceed(waiting: Bool) throws(RankError)

  /// Leaves the group; all processes call it.
  func finish()

  /// Ends the others as well, because this process cannot go on.
  ///
  /// - Parameters:
  ///   - reason: why, for whoever prints it.
  ///   - code: the exit code.
  func abandon(_ reason: Farewell, code: Int32)
}

/// Bytes on the way to a rank.
public struct Outgoing {
  /// To whom.
  public let rank: Int
  /// What; it stays as it is until the exchange is over.
  public let bytes: UnsafeRawBufferPointer

  /// Bytes for a rank.
  public init(to rank: Int, _ bytes: UnsafeRawBufferPointer) {
    (self.rank, self.bytes) = (rank, bytes)
  }
}

/// Room for bytes from a rank.
public struct Incoming {
  /// From whom.
  public let rank: Int
  /// Where they go.
  public let bytes: UnsafeMutableRawBufferPointer

  /// Room for as many bytes as are sent.
  public init(from rank: Int, _ bytes: UnsafeMutableRawBufferPointer) {
    (self.rank, self.bytes) = (rank, bytes)
  }
}

/// Why a process leaves the others.
public struct Farewell: Equatable, Sendable {
  /// The rank where the trouble began.
  public let rank: Int
  /// Its machine.
  public let host: String
  /// What it said; empty where it said nothing.
  public let message: String

  /// A reason.
  public init(rank: Int, host: String, message: String = "") {
    (self.rank, self.host, self.message) = (rank, host, message)
  }
}

/// What keeps processes from training together.
public enum RankError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Variables of the environment make no sense.
  case variables(expected: String, found: String)
  /// Ranks were started by MPI, which is not built in, and nothing says where rank 0 listens.
  case withoutMPI(launcher: String)
  /// Nothing says where rank 0 listens.
  case withoutAddress
  /// The MPI that is built in is not the one that started the ranks.
  case otherMPI(library: String, launcher: String, size: Int)
  /// Rank 0 cannot listen.
  case cannotListen(port: Int, reason: String)
  /// Rank 0 does not answer.
  case cannotReach(address: String, port: Int, seconds: Int, reason: String)
  /// Some ranks did not come.
  case missing(ranks: [Int], of: Int, seconds: Int)
  /// Who came is no rank of this group.
  case stranger(found: String)
  /// A process has ended, or told that it cannot go on.
  case ended(Farewell)
  /// A process sent something else than was expected.
  case outOfStep(rank: Int, host: String)
  /// MPI failed.
  case mpi(String)
  /// A process differs from rank 0 in something that must be equal.
  case differs(what: String, rank: Int, host: String, found: String, expected: String)
  /// Processes cannot share lanes evenly.
  case uneven(lanes: Int, size: Int)
  /// Processes cannot share a batch evenly.
  case unevenBatch(batch: Int, size: Int)

  /// What was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .variables(let expected, let found):
      "expected \(expected), found \(found)"
    case .withoutMPI(let launcher):
      "the ranks were started by \(launcher), and this build has no MPI: build it in (make build MPI=1), or "
        + "export MASTER_ADDR and MASTER_PORT, the machine of rank 0 and a free port there, to use sockets"
    case .withoutAddress:
      "RANK and WORLD_SIZE make this process one of several ranks, and nothing says where rank 0 is: export MASTER_ADDR "
        + "and MASTER_PORT, its machine and a free port there, or TESSERA_RANKS=off to train by itself"
    case .otherMPI(let library, let launcher, let size):
      "expected \(size) ranks, as \(launcher) says, found 1: this build has \(library), and the ranks were "
        + "started by another MPI. Start them with the one that it was built with"
    case .cannotListen(let port, let reason):
      "rank 0 cannot listen on port \(port): \(reason). Set TESSERA_PORT, for all ranks, to a free one"
    case .cannotReach(let address, let port, let seconds, let reason):
      "rank 0 did not answer at \(address), port \(port), within \(seconds) s: \(reason). All ranks need the "
        + "same MASTER_ADDR and MASTER_PORT, and no firewall between them"
    case .missing(let ranks, let size, let seconds):
      "expected \(size) ranks, but \(Self.list(ranks)) did not come within \(seconds) s: start all of them"
    case .stranger(let found):
      "expected a rank of this run, found \(found)"
    case .ended(let farewell):
      Self.name(farewell.rank, farewell.host)
        + (farewell.message.isEmpty ? " has ended" : ": \(farewell.message)")
    case .outOfStep(let rank, let host):
      "\(Self.name(rank, host)) sent something else than was expected: all ranks must do the same"
    case .mpi(let message): "MPI failed: \(message)"
    case .differs(let what, let rank, let host, let found, let expected):
      "\(Self.name(rank, host)) has another \(what) than rank 0: \(found) in place of \(expected). All ranks "
        + "train one model; runs of their own need TESSERA_RANKS=off"
    case .uneven(let lanes, let size):
      "\(size) ranks cannot share training.lanes = \(lanes) evenly: set lanes to a multiple of \(size), such as "
        + "\((lanes + size - 1) / size * size), or start as many ranks as divide them"
    case .unevenBatch(let batch, let size):
      "\(size) ranks cannot share training.batchSize = \(batch) evenly: set it to a multiple of \(size), such as "
        + "\((batch + size - 1) / size * size), or start as many ranks as divide it"
    }
  }

  /// Whether all processes find the same, so that one of them is enough to tell.
  public var isShared: Bool {
    switch self {
    case .differs, .uneven, .unevenBatch: true
    default: false
    }
  }

  private static func name(_ rank: Int, _ host: String) -> String {
    host.isEmpty ? "rank \(rank)" : "rank \(rank) (\(host))"
  }

  private static func list(_ ranks: [Int]) -> String {
    (ranks.count == 1 ? "rank " : "ranks ")
      + ranks.prefix(8).map(String.init).joined(separator: ", ")
      + (ranks.count > 8 ? ", ..." : "")
  }
}
