import Configuration
import Imaging

/// Which images a run sees, and how they become squares of one size.
public struct DataConfiguration: Sendable, Equatable {
  /// How an image is scaled before it is cropped.
  public typealias Resize = Augmentation.Resize
  /// Which square is cut from an image for training; evaluation always takes the centre.
  public typealias Crop = Augmentation.Crop

  /// What to train on: a folder of PNG and JPEG files, searched with its subfolders, a list, or `.tar` shards.
  public var train: String
  /// Whether ``train`` may be absent: of weights that were not trained here.
  public var mayLackImages = false
  /// Folder, list or shards of images to evaluate on.
  ///
  /// Without it a fraction of `train` is held out.
  public var validation: String?
  /// Share of the images in `train` set aside for evaluation when `validation` is nil.
  public var validationShare: Double
  /// The ending of the images of shards' samples, such as `jpg` or `seg.png`; nil for the shortest of PNG
  /// and JPEG.
  public var member: String?
  /// Side in pixels of the square the model sees.
  public var imageSize: Int
  /// The rules by which files become pixels of the model's size.
  public var recipe: ImageRecipe.Name
  /// The filter of recipe = torchvision; nil is bilinear.
  public var filter: PillowFilter?
  /// How an image is scaled before it is cropped.
  public var resize: Resize
  /// Length in pixels the shorter side is scaled to; nil means `imageSize`.
  public var resizeTo: Int?
  /// Which square is cut from an image for training.
  public var crop: Crop
  /// Side of the smallest square that crop = resized takes, as a fraction of the shorter side.
  public var smallestCrop: Double
  /// Sides of training crops as multiples of `imageSize`; each step has one of them.
  public var sizeMultiples: [Int]
  /// Whether training images are flipped horizontally with probability 1/2.
  public var flip: Bool
  /// Background over which transparent pixels are composited: "white", "black" or a colour as
  /// "#rrggbb".
  public var background: String
  /// Decoded pixels kept in memory, in megabytes of 1,000,000 bytes; 0 keeps none.
  public var cacheMegabytes: Int
  /// Images that may turn out undecodable during the run; one more stops it.
  ///
  /// Those to train on and to evaluate with are counted apart. Nil is half of them.
  public var damagedLimit: Int?
  /// Threads that decode images for batches; nil leaves it to the machine.
  public var threads: Int?

  /// Describes the images of a run.
  public init(
    train: String, validation: String? = nil, validationShare: Double = 0.05,
    member: String? = nil, imageSize: Int = 32, recipe: ImageRecipe.Name = .tessera,
    filter: PillowFilter? = nil,
    resize: Resize = .cover, resizeTo: Int? = nil, crop: Crop = .random,
    smallestCrop: Double = 0.5, sizeMultiples: [Int] = [1], flip: Bool = true,
    background: String = "white", cacheMegabytes: Int = 1024, damagedLimit: Int? = nil,
    threads: Int? = nil
  ) {
    self.train = train
    self.validation = validation
    self.validationShare = validationShare
    self.member = member
    self.imageSize = imageSize
    self.recipe = recipe
    self.filter = filter
    self.resize = resize
    self.resizeTo = resizeTo
    self.crop = crop
    self.smallestCrop = smallestCrop
    self.sizeMultiples = sizeMultiples
    self.flip = flip
    self.background = background
    self.cacheMegabytes = cacheMegabytes
    self.damagedLimit = damagedLimit
    self.threads = threads
  }
}

extension DataConfiguration {
  /// The most threads that decode.
  static let mostThreads = 256
  /// The most that are chosen where nothing is said: each holds a batch.
  private static let mostChosen = 8

  /// Threads that decode images for batches.
  ///
  /// - Parameters:
  ///   - cores: those of this process.
  ///   - isCached: whether all images are in memory already.
  public func loaderThreads(cores: Int, isCached: Bool) -> Int {
    threads ?? (isCached ? 1 : max(1, min(cores, Self.mostChosen)))
  }

  /// How images of the run are scaled and cropped.
  public var augmentation: Augmentation {
    Augmentation(
      size: imageSize, resize: resize, resizedSide: resize == .cover ? resizeTo : nil, crop: crop,
      flips: flip, smallestCrop: smallestCrop, sizeMultiples: sizeMultiples,
      recipe: ImageRecipe(recipe, filter: filter))
  }

  /// What reads the run's files.
  ///
  /// - Precondition: the configuration is valid.
  public var decoder: ImageDecoder {
    ImageRecipe(recipe, filter: filter).decoder(background: backgroundColor)
  }

  /// The background as a colour.
  ///
  /// - Precondition: the configuration is valid.
  public var backgroundColor: PixelColor {
    guard let color = PixelColor(text: background) else {
      preconditionFailure("\(background) is no colour: the configuration was not checked")
    }
    return color
  }
}

extension DataConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The images, and how they are scaled and cropped."
  /// A start that lacks the folder.
  public static let standard = DataConfiguration(train: "")

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string(
      "train", &train, isRequired: !mayLackImages, canBeEmpty: mayLackImages, isPath: true,
      "Folder of PNG and JPEG files to train on, searched recursively; a list (.txt) of paths; or WebDataset "
        + "shards: a .tar, a folder of them, or a pattern such as shards/{000..099}.tar.",
      remedy: "Name a folder, as in \"train\": \"data/photos\".")
    fields.string(
      "validation", &validation, isPath: true,
      "Folder, list or shards of images to evaluate on; images of a list are not trained on. Without it a "
        + "fraction of train is held out.")
    fields.string(
      "member", &member, isWritten: { $0 != nil },
      "Ending of the image in the samples of shards, as in \"jpg\" or \"seg.png\"; without it the shortest "
        + "of PNG and JPEG.")
    fields.number(
      "validationShare", &validationShare, in: .inside(0, 1),
      "Fraction of the images in train held out for evaluation if there is no validation folder."
    )
    fields.integer(
      "imageSize", &imageSize, in: .between(1, 8192), "Side in pixels of the square the model sees."
    )
    fields.choice(
      "recipe", &recipe, isWritten: { $0 != .tessera },
      "Rules by which files become pixels: this program's, or those of other tokenizers' pipelines, "
        + "byte for byte; see docs/images.md.")
    fields.choice(
      "filter", &filter, among: ImageRecipe.filters,
      "Filter of recipe = torchvision; without it bilinear.")
    fields.choice(
      "resize", &resize,
      "How an image is scaled before it is cropped: not at all, or so that its shorter side is "
        + "resizeTo pixels long.")
    fields.integer(
      "resizeTo", &resizeTo, in: .between(1, 16384),
      "Length in pixels the shorter side is scaled to with resize = cover; null means imageSize.")
    fields.choice(
      "crop", &crop,
      "How training images are cropped: a random square, the centre, or a random square of random "
        + "size, resized; evaluation takes the centre.")
    fields.number(
      "smallestCrop", &smallestCrop, in: .between(0.01, 1),
      "Side of the smallest square with crop = resized, as a fraction of the image's shorter side; "
        + "the largest is the whole side.")
    fields.integers(
      "sizeMultiples", &sizeMultiples, each: .between(1, 64), count: .between(1, 64),
      "Sides of training crops as multiples of imageSize; each step draws a multiple m and takes 1/m^2 "
        + "as many images. [1, 2, 4] preserves the brightness of large images.")
    fields.flag("flip", &flip, "Whether training images are flipped horizontally at random.")
    fields.string(
      "background", &background, pattern: PixelColor.pattern,
      "Background over which transparent pixels are composited: \"white\", \"black\" or a colour as "
        + "\"#rrggbb\".")
    fields.check(
      "background", PixelColor(text: background) != nil,
      expected: "\"white\", \"black\" or a colour as \"#rrggbb\"",
      remedy: "As in \"#ff8000\" for orange.")
    declareRecipeChecks(&fields)
    fields.integer(
      "cacheMegabytes", &cacheMegabytes, in: .between(0, 1 << 20),
      "Cache of decoded pixels, in megabytes of 1,000,000 bytes; 0 is off.")
    fields.integer(
      "damagedLimit", &damagedLimit, in: .atLeast(0), isWritten: { $0 != nil },
      "Images that may turn out undecodable during the run and are replaced by the next; one more stops it "
        + "with a checkpoint. Without it half of them.")
    fields.integer(
      "threads", &threads, in: .between(1, Self.mostThreads), isWritten: { $0 != nil },
      "Threads that decode images for the next batches, one batch each; without it 1 where all images are in "
        + "the cache, else as many as there are cores, at most 8. The result does not depend on it."
    )
    let (side, cover) = (imageSize, resize == .cover)
    fields.check(
      "resizeTo", with: ["imageSize"], (resizeTo ?? side) >= side,
      expected: "at least imageSize = \(side)",
      remedy: "A square of that side must fit into the scaled image.")
    let (scales, multiples) = (crop == .resized, sizeMultiples)
    // Evaluated only once both are known to be in range.
    var largest: Int { side * (multiples.max() ?? 1) }
    fields.check(
      "resizeTo", with: ["imageSize", "sizeMultiples", "crop"],
      !cover || scales || largest == side || (resizeTo ?? side) >= largest,
      expected: "at least \(largest) = imageSize times the largest of sizeMultiples",
      remedy: "Crops of that side must fit into the scaled image; or set crop to \"resized\".")
    fields.check(
      "resizeTo", with: ["resize"], cover || resizeTo == nil,
      expected: "null, as resize = none scales nothing",
      remedy: "Set resize to \"cover\" or remove resizeTo.")
  }

  /// What contradicts a recipe of other programs.
  private func declareRecipeChecks(_ fields: inout ConfigurationFields) {
    let (recipe, filter, side) = (recipe, filter, imageSize)
    let isForeign = recipe != .tessera
    let remedy = "Remove it, or set recipe to \"tessera\"."
    fields.check(
      "filter", with: ["recipe"], filter == nil || recipe == .torchvision,
      expected: "null, as recipe = \(recipe.rawValue) has a filter of its own",
      remedy: "Remove it, or set recipe to \"torchvision\".")
    fields.check(
      "resize", with: ["recipe"], !isForeign || resize == .cover,
      expected: "\"cover\", as recipe = \(recipe.rawValue) scales every image", remedy: remedy)
    fields.check(
      "resizeTo", with: ["recipe", "imageSize"],
      !isForeign || recipe == .torchvision || (resizeTo ?? side) == side,
      expected: "null, as recipe = \(recipe.rawValue) scales to imageSize = \(side)", remedy: remedy
    )
    fields.check(
      "crop", with: ["recipe"], !isForeign || crop != .resized,
      expected: "\"centre\" or \"random\", as recipe = \(recipe.rawValue) scales before the crop",
      remedy: "Other filters would follow: change crop, or set recipe to \"tessera\".")
    fields.check(
      "background", with: ["recipe"], !isForeign || background == "white",
      expected: "\"white\" (the default), as recipe = \(recipe.rawValue) "
        + (recipe == .chameleon ? "composites over white" : "drops alpha"),
      remedy: remedy)
  }
}
