import Datasets
import FileTestSupport
import Imaging
import Randomness
import Testing

/// Training and evaluation see the pixels of the recipe.
@Suite struct ForeignRecipeTests {
  @Test(arguments: ImageRecipe.Name.allCases)
  func theMiddleIsTheRecipes(name: ImageRecipe.Name) throws {
    let image = ScratchFolder.image(width: 47, height: 31, tint: 9)
    let recipe = ImageRecipe(name)
    let augmentation = Augmentation(
      size: 8, resize: .cover, crop: .centre, flips: false, recipe: recipe)
    let prepared = try augmentation.prepared(image, file: "a")
    let size = try augmentation.preparedSize(width: 47, height: 31, file: "a")
    #expect((prepared.width, prepared.height) == size)
    let middle = try augmentation.middleSquare(of: image, file: "a")
    #expect(middle == recipe.filled(image, width: 8, height: 8))
    var unused = Generator(seed: 0)
    #expect(augmentation.sample(prepared, random: &unused) == middle)
    // Random squares come from the image that the recipe scaled.
    let random = Augmentation(size: 8, resize: .cover, flips: false, recipe: recipe)
    let sample = random.sample(prepared, random: &unused)
    let places = (0...prepared.width - 8).flatMap { x in
      (0...prepared.height - 8).map { prepared.cropped(x: x, y: $0, width: 8, height: 8) }
    }
    #expect(places.contains(sample))
  }

  @Test func otherRulesScaleEveryImage() {
    let plain = Augmentation(size: 8, crop: .centre, flips: false)
    #expect(plain.following(.tessera) == plain)
    let adm = plain.following(ImageRecipe(.adm))
    #expect(adm.resize == .cover && adm.resizedSide == 8 && adm.recipe == ImageRecipe(.adm))
    let wide = Augmentation(size: 8, resize: .cover, resizedSide: 10, crop: .centre, flips: false)
    #expect(wide.following(ImageRecipe(.torchvision)).resizedSide == 10)
    #expect(wide.following(ImageRecipe(.chameleon)).resizedSide == 8)
  }

  @Test func stretchingTakesAnyProportions() throws {
    let strip = ScratchFolder.image(width: 200, height: 2, tint: 9)
    func augmentation(_ name: ImageRecipe.Name) -> Augmentation {
      Augmentation(size: 4, resize: .cover, crop: .centre, recipe: ImageRecipe(name))
    }
    #expect(throws: DatasetError.tooThin(file: "a", width: 200, height: 2)) {
      try augmentation(.adm).prepared(strip, file: "a")
    }
    let stretched = try augmentation(.diffusers).prepared(strip, file: "a")
    #expect((stretched.width, stretched.height) == (4, 4))
  }

  @Test func filesAreDecodedByTheRecipe() throws {
    let folder = try ScratchFolder()
    try folder.fill(4)
    let background = PixelColor.black
    for name in ImageRecipe.Name.allCases {
      let set = try Dataset(
        train: folder.path, validationShare: 0.5, seed: 1,
        augmentation: Augmentation(
          size: 4, resize: .cover, crop: .centre, flips: false, recipe: ImageRecipe(name)),
        background: background, cacheMegabytes: 1)
      let fixed = try FixedSet(set.validation, count: 1)
      let image = try ImageRecipe(name).decoder(background: background)
        .read(folder.file(fixed.files[0]))
      #expect(fixed.images == [ImageRecipe(name).filled(image, width: 4, height: 4)])
    }
  }
}
