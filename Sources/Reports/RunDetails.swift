import Files
import Configuration

/// Details of a run for the page, beyond its evaluation.
public struct RunDetails: Sendable {
  /// Reconstructions of some images at one step of training.
  public struct Sample: Sendable {
    /// Updates that had been made.
    public var step: Int
    /// A PNG file: reconstructions in a row.
    public var png: [UInt8]

    /// A sample.
    public init(step: Int, png: [UInt8]) {
      self.step = step
      self.png = png
    }
  }

  /// The run's log.
  public var history: RunHistory
  /// Its codebook in a plane; nil where none was made.
  public var plane: CodePlane?
  /// Its resolved configuration.
  public var configuration: JSONObject?
  /// Images in its training folder now; nil if the folder is missing.
  public var listedImages: Int?
  /// PSNR in dB of each image that it was evaluated on.
  public var imagePSNR: [Double] = []
  /// The fraction of details that is lost at each scale.
  public var octaves: [(pixels: Int, share: Double)] = []
  /// Samples of its training, by rising step.
  public var samples: [Sample] = []
  /// Images that a prior drew, a sheet of them as a PNG file; empty where there is none.
  public var drawn: [UInt8] = []

  /// Details of a run.
  public init(history: RunHistory = RunHistory(), plane: CodePlane? = nil) {
    self.history = history
    self.plane = plane
  }
}

/// Images that a page shows: originals, and what each run made of them.
public struct ComparisonPictures: Sendable {
  /// An image as it was.
  public struct Original: Sendable {
    /// The file's name.
    public var name: String
    /// Why it is shown, such as "hardest"; may be empty.
    public var note: String
    /// A PNG file.
    public var png: [UInt8]

    /// An original.
    public init(name: String, note: String = "", png: [UInt8]) {
      self.name = name
      self.note = note
      self.png = png
    }
  }

  /// The tokens of an image in their places.
  public struct TokenMap: Sendable {
    /// Columns of the grid.
    public var width: Int
    /// Indices to a token.
    public var depth: Int
    /// Ids, row by row, those of a token together.
    public var ids: [Int]

    /// A map.
    public init(width: Int, depth: Int, ids: [Int]) {
      self.width = width
      self.depth = depth
      self.ids = ids
    }
  }

  /// A run's reconstruction of an image.
  public struct Reconstruction: Sendable {
    /// A PNG file.
    public var png: [UInt8]
    /// A PNG file of the difference in brightness, in the colours of ``ErrorRamp``.
    public var difference: [UInt8]
    /// PSNR in dB.
    public var psnr: Double
    /// Its tokens.
    public var tokens: TokenMap?

    /// A reconstruction.
    public init(png: [UInt8], difference: [UInt8], psnr: Double, tokens: TokenMap? = nil) {
      self.png = png
      self.difference = difference
      self.psnr = psnr
      self.tokens = tokens
    }
  }

  /// The originals.
  public var originals: [Original]
  /// The difference in brightness, of 255, that the end of the colour ramp stands for.
  public var largestDifference: Int
  /// The run whose PSNR says which images are the hardest and easiest; nil where all are shown.
  public var judge: String?
  /// For each entry of the comparison a reconstruction of each original; nil for those without.
  public var rows: [[Reconstruction]?]

  /// Pictures.
  public init(
    originals: [Original], largestDifference: Int, judge: String? = nil,
    rows: [[Reconstruction]?]
  ) {
    self.originals = originals
    self.largestDifference = largestDifference
    self.judge = judge
    self.rows = rows
  }
}

/// Colours for absolute errors, from 0 to 1: one ramp of rising brightness, black to pale yellow, which
/// reads alike on paper and for the colour-blind.
public enum ErrorRamp {
  private static let stops: [(Double, Double, Double)] = [
    (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21),
    (250, 193, 39), (252, 255, 164),
  ]

  /// Red, green and blue of a number; beyond the ends the ends' own.
  public static func colour(_ value: Double) -> (UInt8, UInt8, UInt8) {
    let place = min(max(value.isNaN ? 0 : value, 0), 1) * Double(stops.count - 1)
    let index = min(Int(place), stops.count - 2)
    let (a, b, part) = (stops[index], stops[index + 1], place - Double(index))
    func mix(_ x: Double, _ y: Double) -> UInt8 { UInt8((x + (y - x) * part).rounded()) }
    return (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
  }

  /// The ramp from left to right as a CSS image.
  static var gradient: String {
    let colours = stops.map { "rgb(\(Int($0.0)) \(Int($0.1)) \(Int($0.2)))" }
    return "linear-gradient(90deg,\(colours.joined(separator: ",")))"
  }
}
