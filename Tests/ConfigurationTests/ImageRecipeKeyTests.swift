import Configuration
import Datasets
import Imaging
import Testing
import Training

/// `data.recipe` and `data.filter`: what they go with, and that nothing is written where they are absent.
@Suite struct ImageRecipeKeyTests {
  private static let smallest = #"{"data": {"train": "d"}, "quantizer": {"type": "fsq"}}"#

  private func parse(_ overrides: [String]) throws(ConfigurationError) -> RunConfiguration {
    try RunConfiguration.parse(Self.smallest, overrides: overrides)
  }

  @Test func withoutThemNothingIsWritten() throws {
    let run = try parse([])
    #expect(!run.resolved.contains("recipe") && !run.resolved.contains("\"filter\""))
    #expect(run.data.augmentation.recipe == .tessera)
    #expect(try parse(["data.recipe=tessera"]).resolved == run.resolved)
  }

  @Test(arguments: [
    (["data.recipe=adm"], ImageRecipe(.adm)),
    (["data.recipe=chameleon", "data.crop=centre"], ImageRecipe(.chameleon)),
    (["data.recipe=diffusers", "data.resizeTo=32"], ImageRecipe(.diffusers)),
    (["data.recipe=torchvision", "data.resizeTo=40"], ImageRecipe(.torchvision)),
    (
      ["data.recipe=torchvision", "data.filter=lanczos"],
      ImageRecipe(.torchvision, filter: .lanczos)
    ),
  ])
  func recipesReadBack(overrides: [String], recipe: ImageRecipe) throws {
    let run = try parse(overrides)
    #expect(run.data.augmentation.recipe == recipe)
    #expect(run.data.augmentation.withoutChance.recipe == recipe)
    #expect(try RunConfiguration.parse(run.resolved) == run)
    #expect(run.resolved.contains("\"recipe\": \"\(recipe.name.rawValue)\""))
  }

  @Test(arguments: [
    (["recipe=admn"], "data.recipe", "Did you mean \"adm\"?"),
    (["recipe=torchvision", "filter=box"], "data.filter", "\"bilinear\" or \"bicubic\""),
    (["filter=bicubic"], "data.filter", "recipe = tessera has a filter of its own"),
    (["recipe=adm", "filter=bicubic"], "data.filter", "recipe = adm has a filter of its own"),
    (["recipe=adm", "resize=none"], "data.resize", "recipe = adm scales every image"),
    (["recipe=adm", "resizeTo=40"], "data.resizeTo", "scales to imageSize = 32"),
    (["recipe=diffusers", "crop=resized"], "data.crop", "scales before the crop"),
    (["recipe=chameleon", "background=black"], "data.background", "composites over white"),
    (["recipe=torchvision", "background=black"], "data.background", "drops alpha"),
  ])
  func contradictionsAreTold(overrides: [String], key: String, words: String) {
    do throws(ConfigurationError) {
      _ = try parse(overrides.map { "data." + $0 })
      Issue.record("accepted")
    } catch {
      #expect(error.problems.map(\.key) == [key], "\(error)")
      #expect(error.description.contains(words), "\(error)")
    }
  }
}
