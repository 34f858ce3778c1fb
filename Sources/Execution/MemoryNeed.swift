import Autodiff

/// How much memory something takes, part by part, known before any of it is allocated.
///
/// Bytes are doubles: the sum of absurd sizes is absurd, and not negative.
public struct MemoryNeed: Sendable, Equatable {
  /// A part, and what makes it smaller.
  public struct Part: Sendable, Equatable {
    /// What it holds, as in "weights and their moments".
    public let name: String
    /// Its bytes.
    public let bytes: Double
    /// Keys to lower, as in `training.batchSize`; empty where nothing helps.
    public let keys: [String]
  }

  /// Bytes beyond which nothing is planned: sizes of a plan then stay within 64 bits.
  public static let mostPlanned = 0x1p50

  /// The parts, in the order they were added.
  public private(set) var parts: [Part] = []

  /// Nothing yet.
  public init() {}

  /// Adds a part.
  public mutating func add(_ name: String, bytes: Double, keys: [String] = []) {
    parts.append(Part(name: name, bytes: bytes, keys: keys))
  }

  /// All bytes.
  public var bytes: Double { parts.reduce(0) { $0 + $1.bytes } }

  /// The part that takes most.
  public var largest: Part? { parts.max { $0.bytes < $1.bytes } }
}

extension Plan {
  /// The bytes that a session of this plan allocates.
  ///
  /// - Parameter borrowsArenas: whether the lanes' arenas are those of another session.
  public func bytes(lanes: Int, borrowsArenas: Bool = false) -> Double {
    let lane =
      (borrowsArenas ? 0 : Double(arenaWords))
      + (hasGradients ? Double(parameters.trainedWords) : 0)
    let sums = statistics.reduce(0) { $0 + Double($1.operand.shape.count) }
    let word = Double(MemoryLayout<Float>.stride)
    // Sums are doubles; what is added to them goes through floats.
    return word * (Double(sharedWords) + Double(lanes) * (lane + 3 * sums))
  }
}
