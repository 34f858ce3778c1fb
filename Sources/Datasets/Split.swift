import Randomness

/// Which images are trained on, and which are held out to validate with.
///
/// Each path has a number in [0, 1) that depends on the path and the seed alone; those below the
/// share are held out. So adding or removing files never moves another file to the other side.
public struct Split: Sendable, Equatable {
  /// Indices of the files to train on, ascending.
  public let training: [Int]
  /// Indices of the files held out, ascending.
  public let validation: [Int]

  /// Splits files by their paths within the folder.
  ///
  /// With two files or more, a share above 0 holds out at least one and a share below 1 leaves at
  /// least one.
  ///
  /// - Precondition: the share is within 0...1.
  public init(_ files: [String], validationShare share: Double, seed: UInt64) {
    precondition((0...1).contains(share), "a share is within 0...1, not \(share)")
    let numbers = files.map { Self.number(of: $0, seed: seed) }
    var held = numbers.map { $0 < share }
    let order = files.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) }
    if files.count >= 2, let least = order.first, let greatest = order.last {
      if share > 0 { held[least] = true }
      if share < 1 { held[greatest] = false }
    }
    training = files.indices.filter { !held[$0] }
    validation = files.indices.filter { held[$0] }
  }

  /// The number in [0, 1) that decides where a path goes.
  public static func number(of file: String, seed: UInt64) -> Double {
    var random = Generator(seed: seed).split(named: "validation split").split(named: file)
    return random.uniformDouble()
  }
}
