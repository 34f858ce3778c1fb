/// How images became model input: enough to do the same again elsewhere.
public struct Recipe: Codable, Equatable, Sendable {
  /// The only order of digits there is: id = sum over channels c of digit_c * product of levels before c.
  public static let channelZeroFirst = "channel 0 least significant"

  /// "model" (the size it was trained with), "native" (the image's own), or "WxH".
  public var size: String
  /// The filter of the resize, or "none".
  public var filter: String
  /// The crop before the resize, or "none".
  public var crop: String
  /// How sides were filled up to a multiple of the downsampling, or "none".
  public var padding: String
  /// The range that pixels were brought to.
  public var pixelRange: String
  /// What transparent pixels were composited over: "white", "black" or "#rrggbb"; nil where alpha was
  /// dropped, as in files of earlier versions.
  public var background: String?
  /// How the digits of an id follow each other.
  public var digitOrder: String

  /// Describes a recipe; the defaults are what every Tessera model has.
  public init(
    size: String, filter: String, crop: String, padding: String, pixelRange: String = "[-1,1]",
    background: String? = nil, digitOrder: String = Recipe.channelZeroFirst
  ) {
    self.size = size
    self.filter = filter
    self.crop = crop
    self.padding = padding
    self.pixelRange = pixelRange
    self.background = background
    self.digitOrder = digitOrder
  }

  /// The recipe of tokens that came from no image, such as those of a generative model.
  public static let generated = Recipe(
    size: "model", filter: "none", crop: "none", padding: "none")

  private enum CodingKeys: String, CodingKey {
    case size, filter, crop, padding, background
    case pixelRange = "pixel_range"
    case digitOrder = "digit_order"
  }
}
