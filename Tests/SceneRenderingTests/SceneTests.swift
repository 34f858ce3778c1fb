import Foundation
import Imaging
import Randomness
import SceneRendering
import Testing

@Suite struct SceneTests {
  private static func scenes(_ count: UInt64) -> [Scene] {
    (0..<count).map { stream in
      var random = Generator(seed: 1).split(stream)
      return Scene(random: &random)
    }
  }

  @Test func factorsRoundTripAsText() throws {
    for scene in Self.scenes(50) {
      let text = try JSONEncoder().encode(scene)
      #expect(try JSONDecoder().decode(Scene.self, from: text) == scene)
    }
  }

  @Test func everyChoiceComesUp() {
    let scenes = Self.scenes(400)
    let solids = scenes.flatMap(\.solids)
    #expect(Set(solids.map(\.shape)).count == Scene.Shape.allCases.count)
    #expect(Set(solids.map(\.colour)).count == SolidColour.allCases.count)
    #expect(Set(solids.map(\.finish)).count == Scene.Finish.allCases.count)
    #expect(Set(scenes.map(\.floor.pattern)).count == Scene.Pattern.allCases.count)
    #expect(Set(scenes.map(\.floor.colour)).count == FloorColour.allCases.count)
    #expect(Set(scenes.map(\.backdrop)).count == Backdrop.allCases.count)
    #expect(Set(scenes.map(\.solids.count)) == [1, 2, 3])
  }

  @Test func solidsStandApartInTheirOwnColours() {
    for scene in Self.scenes(200) {
      #expect(Set(scene.solids.map(\.colour)).count == scene.solids.count)
      for (index, one) in scene.solids.enumerated() {
        #expect(one.height > 0 && one.radius > 0)
        for other in scene.solids[(index + 1)...] {
          let x = one.x - other.x
          let z = one.z - other.z
          #expect((x * x + z * z).squareRoot() > one.radius + other.radius)
        }
      }
    }
  }

  @Test func sameSceneSamePixels() {
    for scene in Self.scenes(4) {
      let image = SceneRenderer.render(scene, size: 24)
      #expect(image.width == 24 && image.height == 24)
      #expect(image == SceneRenderer.render(scene, size: 24))
    }
  }

  @Test func picturesDifferAndAreNotFlat() {
    let images = Self.scenes(60).map { SceneRenderer.render($0, size: 16) }
    #expect(Set(images.map(\.pixels)).count == images.count)
    for image in images {
      let mean = image.pixels.reduce(0) { $0 + Double($1) } / Double(image.pixels.count)
      let variance =
        image.pixels.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        / Double(image.pixels.count)
      #expect(variance > 100)
      #expect((25...235).contains(mean))
    }
  }

  /// One solid in the middle: its colour is in the picture, and gone when the solid is.
  @Test(arguments: Scene.Shape.allCases) func everyShapeIsSeen(shape: Scene.Shape) throws {
    var scene = try #require(Self.scenes(1).first)
    scene.backdrop = .linenWall
    scene.floor = .init(pattern: .tiles, colour: .marble, scale: 1, turn: 0)
    scene.solids = []
    let without = SceneRenderer.render(scene, size: 32)
    scene.solids = [
      .init(
        shape: shape, colour: .emerald, finish: .matte, x: 0, z: 0, radius: 0.8, height: 1.2,
        turn: 20)
    ]
    let with = SceneRenderer.render(scene, size: 32)
    func green(_ image: Image) -> Int {
      stride(from: 0, to: image.pixels.count, by: 3).count { index in
        Int(image.pixels[index + 1]) > Int(image.pixels[index]) + 40
      }
    }
    #expect(green(without) == 0)
    #expect(green(with) > 50)
  }

  /// The lamp to the right darkens the floor to the left of a solid, and the other way round.
  @Test func shadowsFallAwayFromTheLight() throws {
    var scene = try #require(Self.scenes(1).first)
    scene.backdrop = .mistSky
    scene.floor = .init(pattern: .dots, colour: .marble, scale: 1000, turn: 0)
    scene.camera.azimuth = 0
    scene.light.elevation = 40
    scene.solids = [
      .init(
        shape: .box, colour: .ivory, finish: .matte, x: 0, z: 0, radius: 0.7, height: 1,
        turn: 0)
    ]
    func halves(azimuth: Double) -> (left: Int, right: Int) {
      scene.light.azimuth = azimuth
      let image = SceneRenderer.render(scene, size: 32)
      var sums = (left: 0, right: 0)
      for y in 12..<32 {
        for x in 0..<16 {
          sums.left += Int(image.pixels[(y * 32 + x) * 3])
          sums.right += Int(image.pixels[(y * 32 + 31 - x) * 3])
        }
      }
      return sums
    }
    let fromRight = halves(azimuth: 80)
    let fromLeft = halves(azimuth: -80)
    #expect(fromRight.left < fromRight.right)
    #expect(fromLeft.left > fromLeft.right)
  }
}
