/// How files become pixels of the model's size, by the rules of the program whose tokenizer it is.
///
/// Ids depend on every bit of the input: a peer's tokenizer gives the peer's ids for a file only where
/// the image is decoded, scaled and cropped as the peer does it.
public struct ImageRecipe: Sendable, Equatable {
  /// The sets of rules.
  public enum Name: String, Sendable, CaseIterable {
    /// This program's own: images upright, alpha over a background, the antialiased bicubic filter that
    /// rounds once, sides rounded to the nearest.
    case tessera
    /// Of ADM (guided diffusion): halved by boxes while the shorter side is at least twice the size, then
    /// bicubic; sides rounded half to even.
    case adm
    /// torchvision's `Resize` and `CenterCrop`: the longer side rounded down, the crop's place half to
    /// even.
    case torchvision
    /// Chameleon's: Lanczos, sides rounded half to even, alpha over white and rounded down.
    case chameleon
    /// The `VaeImageProcessor` of diffusers: Lanczos to exactly the size, without a crop, so that
    /// proportions change; images upright.
    case diffusers
  }

  /// The rules.
  public let name: Name
  /// The filter that scales; nil of ``Name/tessera``, which has its own.
  public let filter: PillowFilter?

  /// This program's own rules.
  public static let tessera = ImageRecipe(.tessera)

  /// The filters that ``Name/torchvision`` can be given.
  public static let filters: [PillowFilter] = [.bilinear, .bicubic, .lanczos]

  /// Rules by name.
  ///
  /// - Parameter filter: of ``Name/torchvision``: bilinear unless it is said. The others have their own.
  public init(_ name: Name, filter: PillowFilter? = nil) {
    self.name = name
    switch name {
    case .tessera: self.filter = nil
    case .adm: self.filter = .bicubic
    case .torchvision: self.filter = filter ?? .bilinear
    case .chameleon, .diffusers: self.filter = .lanczos
    }
  }

  /// Whether it makes squares only: the rules say nothing of other shapes.
  public var needsSquare: Bool { name != .tessera && name != .diffusers }

  /// Whether images are scaled to exactly the size, whatever their proportions.
  public var isStretching: Bool { name == .diffusers }

  /// What transparent pixels are composited over, by a background that is set for ``Name/tessera``; nil
  /// where alpha is dropped.
  public func background(_ set: String) -> String? {
    switch name {
    case .tessera: set
    case .chameleon: "white"
    case .adm, .torchvision, .diffusers: nil
    }
  }

  /// A decoder of files by these rules.
  ///
  /// - Parameters:
  ///   - background: what ``Name/tessera`` composites over; nil drops alpha.
  ///   - pixelLimit: images of more pixels are refused.
  public func decoder(
    background: PixelColor?, pixelLimit: Int = ImageDecoder.defaultPixelLimit
  ) -> ImageDecoder {
    switch name {
    case .tessera: ImageDecoder(pixelLimit: pixelLimit, background: background)
    case .adm, .torchvision: ImageDecoder(pixelLimit: pixelLimit, appliesOrientation: false)
    case .chameleon:
      ImageDecoder(
        pixelLimit: pixelLimit, appliesOrientation: false, background: .white,
        roundsBlendsDown: true)
    case .diffusers: ImageDecoder(pixelLimit: pixelLimit)
    }
  }

  // MARK: Scaling

  /// The size of an image whose shorter side is scaled to `side`, or of one that is stretched to a square.
  ///
  /// The shorter side becomes `side` exactly; the longer one is what the rules round it to.
  public func scaledSize(
    width: Int, height: Int, to side: Int
  ) -> (width: Int, height: Int) {
    let shorter = min(width, height)
    switch name {
    case .tessera:
      // Rounded to the nearest, in integers.
      let longer = (2 * max(width, height) * side + shorter) / (2 * shorter)
      return width < height ? (side, longer) : (longer, side)
    case .torchvision:
      let longer = side * max(width, height) / shorter
      return width <= height ? (side, longer) : (longer, side)
    case .adm:
      let (width, height) = halved(width, height, to: side).last ?? (width, height)
      return Self.rounded(width, height, to: side)
    case .chameleon: return Self.rounded(width, height, to: side)
    case .diffusers: return (side, side)
    }
  }

  /// Both sides times `side / shorter` in double precision, rounded half to even.
  private static func rounded(_ width: Int, _ height: Int, to side: Int) -> (Int, Int) {
    let scale = Double(side) / Double(min(width, height))
    func length(_ side: Int) -> Int { Int((Double(side) * scale).rounded(.toNearestOrEven)) }
    return (length(width), length(height))
  }

  /// The sizes that ADM's halvings go through; empty where there are none.
  private func halved(_ width: Int, _ height: Int, to side: Int) -> [(width: Int, height: Int)] {
    var sizes: [(Int, Int)] = []
    var (width, height) = (width, height)
    while min(width, height) >= 2 * side {
      (width, height) = (width / 2, height / 2)
      sizes.append((width, height))
    }
    return sizes
  }

  /// The image with its shorter side at `side`, or stretched to a square; not cropped.
  public func scaled(_ image: Image, to side: Int) -> Image {
    let size = scaledSize(width: image.width, height: image.height, to: side)
    guard let filter else { return image.resized(to: size.width, size.height) }
    var image = image
    if name == .adm {
      for half in halved(image.width, image.height, to: side) {
        image = image.resizedAsPillow(to: half.width, half.height, filter: .box)
      }
    }
    return image.resizedAsPillow(to: size.width, size.height, filter: filter)
  }

  /// The image at a size: scaled until it covers it and cropped in the middle, or stretched to it.
  ///
  /// - Precondition: a square where the rules need one.
  public func filled(_ image: Image, width: Int, height: Int) -> Image {
    if name == .tessera { return image.resizedToFill(width: width, height: height) }
    if isStretching { return image.resizedAsPillow(to: width, height, filter: filter ?? .lanczos) }
    precondition(width == height, "the rules are for squares")
    let scaled = scaled(image, to: width)
    return scaled.cropped(
      x: cropOffset(scaled.width - width), y: cropOffset(scaled.height - height), width: width,
      height: height)
  }

  /// Where the square in the middle begins, of a side that is `excess` longer.
  public func cropOffset(_ excess: Int) -> Int {
    // Half to even is that of the integer before, or of the one after where that is even.
    name == .torchvision && excess % 4 == 3 ? excess / 2 + 1 : excess / 2
  }
}
