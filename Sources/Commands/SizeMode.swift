import ArgumentParser
import Datasets
import Imaging
import TokenFiles

/// How an image of any size becomes input that the model takes: `--size`.
enum SizeMode: Equatable {
  /// Resized and cropped in the middle as the model was trained.
  case model
  /// As it is, filled up on the right and at the bottom to whole tokens.
  case native
  /// Scaled until it covers the size, then cropped in the middle.
  case fixed(width: Int, height: Int)

  /// The longest side that can be asked for.
  static let longestSide = 1 << 15
}

extension SizeMode: ExpressibleByArgument {
  /// Reads `model`, `native`, or a size such as `256x192`; `256` is 256x256.
  init?(argument: String) {
    switch argument {
    case "model": self = .model
    case "native": self = .native
    default:
      let size = argument.contains("x") ? argument : argument + "x" + argument
      let sides = size.split(separator: "x", omittingEmptySubsequences: false).map {
        $0.allSatisfy { $0.isASCII && $0.isNumber } ? Int($0) : nil
      }
      guard sides.count == 2, let width = sides[0], let height = sides[1],
        (1...Self.longestSide).contains(width), (1...Self.longestSide).contains(height)
      else { return nil }
      self = .fixed(width: width, height: height)
    }
  }

  /// The text that was read.
  var defaultValueDescription: String { text }

  /// `model`, `native` or `WxH`.
  var text: String {
    switch self {
    case .model: "model"
    case .native: "native"
    case .fixed(let width, let height): "\(width)x\(height)"
    }
  }

  /// Checks that rules know what to do for a size.
  func check(_ rules: ImageRecipe) throws {
    guard case .fixed(let width, let height) = self, rules.needsSquare, width != height else {
      return
    }
    throw Failure(
      .usage,
      "--size \(text): expected a square, as recipe \(rules.name.rawValue) makes no other shape. Use "
        + "--size \(min(width, height)), or --recipe tessera.")
  }

  /// Checks that a size is made of whole tokens.
  func check(downsampling side: Int) throws {
    guard case .fixed(let width, let height) = self else { return }
    guard width % side != 0 || height % side != 0 else { return }
    func nearest(_ length: Int) -> Int { max(1, (length + side / 2) / side) * side }
    throw Failure(
      .usage,
      "--size \(text): expected multiples of \(side), as a token of this checkpoint stands for "
        + "\(side)x\(side) pixels. The nearest is \(nearest(width))x\(nearest(height)).")
  }
}

/// An image on its way into the model.
struct PreparedImage: Sendable {
  /// The model's input: its sides are multiples of the downsampling.
  var image: Image
  /// The width of what decoding gives back: the input's without its padding.
  var width: Int
  /// The height of what decoding gives back: the input's without its padding.
  var height: Int
  /// Whether its file may have transparent pixels.
  var isTransparent = false
  /// What is wrong with the file, where an image came of it all the same.
  var doubt: String?
  /// The size of the image in its file, upright.
  var original = Extent(width: 0, height: 0)

  /// A size in pixels.
  struct Extent: Sendable, Equatable {
    var width: Int
    var height: Int
  }
}

/// What is done to every image before it is encoded, and how token files record it.
struct Preparation: Sendable {
  /// Which size images get; a square, but for `native`, where the rules need one.
  let mode: SizeMode
  /// The rules, and the resize and crop of the training, without chance.
  let augmentation: Augmentation
  /// Pixels per side of a token.
  let downsampling: Int
  /// What transparent pixels are composited over, as the configuration says it.
  let background: String
  /// Whether each image is followed by its mirror image.
  var hasMirrors = false
  /// Images of more pixels are refused by their headers where they keep their size.
  var mostPixels = Int.max
  /// Files of images of more pixels are refused.
  var pixelLimit = ImageDecoder.defaultPixelLimit

  /// The rules by which files become pixels.
  var rules: ImageRecipe { augmentation.recipe }

  /// What the token file says of it.
  var recipe: Recipe {
    let filter = rules.filter?.rawValue ?? "bicubic"
    var recipe: Recipe
    switch mode {
    case .model:
      let isScaled = augmentation.resize == .cover
      recipe = Recipe(
        size: mode.text, filter: isScaled ? filter : "none",
        crop: "centre \(augmentation.size)x\(augmentation.size)"
          + (isScaled ? " of the image with its shorter side at \(augmentation.resizedSide)" : ""),
        padding: "none")
    case .native:
      recipe = Recipe(
        size: mode.text, filter: "none", crop: "none",
        padding: "right and bottom to multiples of \(downsampling), edge repeated")
    case .fixed:
      recipe = Recipe(
        size: mode.text, filter: filter,
        crop: "centre \(mode.text) of the image scaled to cover it", padding: "none")
    }
    if rules.isStretching { recipe.crop = "none" }
    recipe.isMirrored = hasMirrors
    recipe.name = rules.name == .tessera ? nil : rules.name.rawValue
    recipe.background = rules.background(background)
    return recipe
  }

  /// Reads an image and brings it to its size.
  ///
  /// What the header alone condemns is refused before the pixels are decoded.
  ///
  /// - `isMirrored`: whether left becomes right, once it has its size.
  ///
  /// Errors: whatever is wrong with the file; those of ``prepare(_:file:)``.
  func read(_ location: ImageLocation, isMirrored: Bool = false) throws -> PreparedImage {
    let path = location.name
    let file = try rules.decoder(
      background: PixelColor(text: background), pixelLimit: pixelLimit
    ).open(location)
    let (width, height) = (file.header.width, file.header.height)
    switch mode {
    case .model: _ = try augmentation.preparedSize(width: width, height: height, file: path)
    case .native:
      guard width * height <= mostPixels else {
        throw Failure(
          .badData,
          "\(path): \(width)x\(height) pixels need more working memory than there is, or than --memory "
            + "allows. Encode it with --size model or a smaller --size WxH, or on a larger machine."
        )
      }
    case .fixed(let across, let down):
      // Which side is the longer one an orientation tag may change.
      if !covers(width, height, across, down), !covers(height, width, across, down) {
        try checkShape(width, height, across, down, path)
      }
    }
    let (image, doubt) = try file.decodeNoting()
    var prepared = try prepare(image, isMirrored: isMirrored, file: path)
    prepared.doubt = doubt
    prepared.isTransparent = file.header.hasTransparency
    prepared.original = PreparedImage.Extent(width: image.width, height: image.height)
    return prepared
  }

  /// Brings an image to its size.
  ///
  /// Errors: an image that is smaller than the crop, or too long and thin to be scaled.
  func prepare(_ image: Image, isMirrored: Bool, file: String) throws -> PreparedImage {
    var prepared: Image
    switch mode {
    case .model:
      prepared = try augmentation.middleSquare(of: image, file: file)
    case .native:
      // Mirrored before it is padded: what is filled up lies on the right all the same.
      let upright = isMirrored ? image.flippedHorizontally() : image
      return PreparedImage(
        image: upright.padded(toMultipleOf: downsampling), width: image.width, height: image.height)
    case .fixed(let width, let height):
      try checkShape(image.width, image.height, width, height, file)
      prepared = rules.filled(image, width: width, height: height)
    }
    if isMirrored { prepared = prepared.flippedHorizontally() }
    return PreparedImage(image: prepared, width: prepared.width, height: prepared.height)
  }

  /// Refuses an image of which almost nothing would be left after covering and cropping.
  private func checkShape(
    _ width: Int, _ height: Int, _ across: Int, _ down: Int, _ file: String
  ) throws {
    if covers(width, height, across, down) { return }
    throw Failure(
      .badData,
      "\(file): \(width)x\(height) pixels are too long and thin to cover \(mode.text): "
        + "less than 1/\(Augmentation.longestRatio) of the image would be left. Crop the file, or "
        + "use --size native.")
  }

  private func covers(_ width: Int, _ height: Int, _ across: Int, _ down: Int) -> Bool {
    if rules.isStretching { return true }
    let (one, other) = (width * down, height * across)
    return max(one, other) <= min(one, other) * Augmentation.longestRatio
  }
}

extension ImageRecipe.Name: ExpressibleByArgument {}

extension PillowFilter: ExpressibleByArgument {}

extension ImageRecipe {
  /// The rules that a token file records.
  ///
  /// - Parameter file: the file, for messages.
  ///
  /// Errors: rules of another version of this program.
  init(recorded recipe: Recipe, in file: String) throws {
    guard let text = recipe.name else {
      self = .tessera
      return
    }
    guard let name = Name(rawValue: text) else {
      throw Failure(
        .badData,
        "\(file): its images were prepared by the recipe \"\(text)\", expected one of "
          + Name.allCases.map(\.rawValue).joined(separator: ", ")
          + ". Use the version of this program that wrote it.")
    }
    self.init(name, filter: PillowFilter(rawValue: recipe.filter))
  }
}
