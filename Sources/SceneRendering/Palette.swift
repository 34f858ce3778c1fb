/// The colours that a solid may have.
public enum SolidColour: String, Codable, CaseIterable, Sendable {
  case coral, tangerine, amber, lime, emerald, teal, azure, indigo, violet, rose, ivory, charcoal

  /// The colour as 0xRRGGBB.
  public var code: UInt32 {
    switch self {
    case .coral: 0xF0564A
    case .tangerine: 0xF58A2C
    case .amber: 0xF7C62F
    case .lime: 0xA3CE3E
    case .emerald: 0x2FA866
    case .teal: 0x1FA5A3
    case .azure: 0x3C9BE8
    case .indigo: 0x4355C4
    case .violet: 0x8E55C7
    case .rose: 0xEE7FA8
    case .ivory: 0xF3EBDA
    case .charcoal: 0x3A3F4A
    }
  }
}

/// The pairs of colours that a floor's pattern alternates between.
public enum FloorColour: String, Codable, CaseIterable, Sendable {
  case oak, walnut, sand, terracotta, slate, sage, marble, plum, harbour, graphite

  /// The lighter and the darker colour as 0xRRGGBB.
  public var codes: (light: UInt32, dark: UInt32) {
    switch self {
    case .oak: (0xD9B382, 0xB98A56)
    case .walnut: (0x9A6B47, 0x6B4630)
    case .sand: (0xEBDDC0, 0xCDB68C)
    case .terracotta: (0xDB9070, 0xA9573D)
    case .slate: (0xA9B4C0, 0x66737F)
    case .sage: (0xC3D0B0, 0x7E9678)
    case .marble: (0xF2EFEA, 0x8C8A8D)
    case .plum: (0xC9A9BE, 0x7A4F71)
    case .harbour: (0xA5CBD6, 0x38708A)
    case .graphite: (0x8B8E96, 0x3D4048)
    }
  }
}

/// What stands behind the scene: five painted walls and five skies.
public enum Backdrop: String, Codable, CaseIterable, Sendable {
  case linenWall, mintWall, blushWall, blueWall, ochreWall
  case noonSky, dawnSky, duskSky, mistSky, nightSky

  /// Whether it is a wall that takes shadows, not a sky.
  public var isWall: Bool {
    switch self {
    case .linenWall, .mintWall, .blushWall, .blueWall, .ochreWall: true
    case .noonSky, .dawnSky, .duskSky, .mistSky, .nightSky: false
    }
  }

  /// The colours above and below (a sky's is the horizon) as 0xRRGGBB.
  public var codes: (top: UInt32, bottom: UInt32) {
    switch self {
    case .linenWall: (0xEDE3D2, 0xD9CBB4)
    case .mintWall: (0xCDE6D8, 0xAFD3C2)
    case .blushWall: (0xF0C9C0, 0xDDA69C)
    case .blueWall: (0xA4C4E6, 0x86ABD6)
    case .ochreWall: (0xF0CF88, 0xDDB060)
    case .noonSky: (0x5AA6EC, 0xCFE8F6)
    case .dawnSky: (0x8FB4E4, 0xFBDCC0)
    case .duskSky: (0x6A5FA3, 0xF2B79A)
    case .mistSky: (0xA8B6C2, 0xE2E6E6)
    case .nightSky: (0x141B3C, 0x3F5187)
    }
  }
}

/// A colour code in the space the light is added up in: the square of the stored value, a close
/// stand-in for the sRGB curve that every platform computes alike.
func linear(_ code: UInt32) -> Vector {
  let stored =
    Vector(
      Float(code >> 16 & 255), Float(code >> 8 & 255), Float(code & 255)) / 255
  return stored * stored
}
