import Configuration

/// The last weights and the averages of a run, side by side on the same held-out images.
public struct AveragesReport: Sendable, Equatable {
  /// Evaluation of some weights on the images.
  public struct Entry: Sendable, Equatable {
    /// "last", the name of an average, or that and "+codebook" where the codebook was re-estimated.
    public let name: String
    /// The mean of what training minimizes.
    public let loss: Double
    /// Peak signal to noise in dB.
    public let psnr: Double
    /// The mean loss of the iterates evaluated so far, less that of the average; nil for "last".
    ///
    /// For a convex loss and the uniform average it is not negative (Jensen).
    public let jensenGap: Double?
  }

  /// How many images.
  public let images: Int
  /// The last weights first.
  public let entries: [Entry]

  /// The log's line: `kind` is "averages".
  func line(step: Int) -> JSONObject {
    var line = JSONObject([
      "kind": .string("averages"), "step": .integer(step), "images": .integer(images),
    ])
    for entry in entries {
      var object = JSONObject(["loss": .number(entry.loss), "psnr": .number(entry.psnr)])
      if let gap = entry.jensenGap { object["jensenGap"] = .number(gap) }
      line[entry.name] = .object(object)
    }
    return line
  }
}
