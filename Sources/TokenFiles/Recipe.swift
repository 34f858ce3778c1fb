/// How images became model input: enough to do the same again elsewhere.
public struct Recipe: Codable, Equatable, Sendable {
  /// The only order of digits there is: id = sum over channels c of digit_c * product of levels before c.
  public static let channelZeroFirst = "channel 0 least significant"

  /// The rules by which files became pixels; nil for this program's own.
  public var name: String?
  /// "model" (the size it was trained with), "native" (the image's own), or "WxH".
  public var size: String
  /// The filter of the resize, or "none".
  public var filter: String
  /// The crop before the resize, or "none".
  public var crop: String
  /// How sides were filled up to a multiple of the downsampling, or "none".
  public var padding: String
  /// Whether each image is followed by its mirror image.
  public var isMirrored = false
  /// The range that pixels were brought to.
  public var pixelRange: String
  /// What transparent pixels were composited over: "white", "black" or "#rrggbb"; nil where alpha was
  /// dropped, as in files of earlier versions.
  public var background: String?
  /// How the digits of an id follow each other; empty in files of latents, which have no ids.
  public var digitOrder: String

  /// Describes a recipe; the defaults are what every Tessera model has.
  public init(
    name: String? = nil, size: String, filter: String, crop: String, padding: String,
    pixelRange: String = "[-1,1]", background: String? = nil,
    digitOrder: String = Recipe.channelZeroFirst
  ) {
    self.name = name
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

  /// The same without an order of digits: for latents.
  public var ofLatents: Recipe {
    var recipe = self
    recipe.digitOrder = ""
    return recipe
  }

  private enum CodingKeys: String, CodingKey {
    case name, size, filter, crop, padding, background
    case isMirrored = "mirrored"
    case pixelRange = "pixel_range"
    case digitOrder = "digit_order"
  }

  /// Reads a recipe; latents' has no order of digits.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decodeIfPresent(String.self, forKey: .name)
    size = try container.decode(String.self, forKey: .size)
    filter = try container.decode(String.self, forKey: .filter)
    isMirrored = try container.decodeIfPresent(Bool.self, forKey: .isMirrored) ?? false
    crop = try container.decode(String.self, forKey: .crop)
    padding = try container.decode(String.self, forKey: .padding)
    pixelRange = try container.decode(String.self, forKey: .pixelRange)
    background = try container.decodeIfPresent(String.self, forKey: .background)
    digitOrder = try container.decodeIfPresent(String.self, forKey: .digitOrder) ?? ""
  }

  /// Writes a recipe.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(name, forKey: .name)
    try container.encode(size, forKey: .size)
    try container.encode(filter, forKey: .filter)
    if isMirrored { try container.encode(true, forKey: .isMirrored) }
    try container.encode(crop, forKey: .crop)
    try container.encode(padding, forKey: .padding)
    try container.encode(pixelRange, forKey: .pixelRange)
    try container.encodeIfPresent(background, forKey: .background)
    if !digitOrder.isEmpty { try container.encode(digitOrder, forKey: .digitOrder) }
  }
}
